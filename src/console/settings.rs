//! `[console]` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::flow::users::{SecondFactor, SessionLifetime};
use crate::server::{Error, ListenAddress};

/// The shortest time: less would end sessions while a page is read.
const LIFETIME_MIN: Duration = Duration::from_mins(1);

/// `[console]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port; empty for no console.
    pub listen: String,
    /// The server certificate and the chain above it, PEM; empty for plain HTTP, which is allowed on loopback only.
    pub certificate: PathBuf,
    /// The key of the certificate, PEM.
    pub key: PathBuf,
    /// CA certificates, PEM: programs may present a certificate of one of them, which a token can be bound to. Empty for none.
    pub client_ca: PathBuf,
    /// A session ends after this time without a page that its user asked for.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub idle: Duration,
    /// A session ends after this time in any case.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub session: Duration,
    /// Whether users need a one-time code besides the password.
    pub second_factor: SecondFactor,
    /// A folder with the pages in other languages; empty for English only.
    pub languages: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: String::new(),
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            client_ca: PathBuf::new(),
            idle: Duration::from_mins(30),
            session: Duration::from_hours(12),
            second_factor: SecondFactor::Required,
            languages: PathBuf::new(),
        }
    }
}

impl Settings {
    /// Where the console listens, and what it presents.
    pub fn address(&self) -> ListenAddress<'_> {
        let Self { listen, certificate, key, client_ca, .. } = self;
        let client_ca = Some(client_ca.as_path()).filter(|file| !file.as_os_str().is_empty());
        ListenAddress { section: "console", listen, certificate, key, client_ca }
    }

    /// All paths, to resolve relative ones.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.certificate, &mut self.key, &mut self.client_ca, &mut self.languages]
            .into_iter()
            .filter(|path| !path.as_os_str().is_empty())
    }

    /// How long sessions last.
    pub fn lifetime(&self) -> SessionLifetime {
        SessionLifetime { idle: self.idle, absolute: self.session }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        for (key, time) in [("console.idle", self.idle), ("console.session", self.session)] {
            if time < LIFETIME_MIN {
                return Err(Error::setting(key, "must be at least 1m"));
            }
        }
        self.address().check()
    }
}
