//! `[console]` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::flow::single_sign_on;
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
    /// The address by which browsers reach the console, such as `https://otpost.bank.example`; empty if nothing needs it.
    pub public_url: String,
    /// Signing in at an identity provider.
    pub oidc: single_sign_on::Settings,
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
            public_url: String::new(),
            oidc: single_sign_on::Settings::default(),
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
        [&mut self.certificate, &mut self.key, &mut self.client_ca, &mut self.languages, &mut self.oidc.ca]
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
        self.check_public_url()?;
        self.oidc.check().map_err(|error| Error::setting(error.key, error.what))?;
        self.address().check()
    }
    fn check_public_url(&self) -> Result<(), Error> {
        let wrong = |what| Err(Error::setting("console.public_url", what));
        if self.public_url.is_empty() {
            let what =
                "must be set for console.oidc: the address that browsers open, such as \"https://otpost.bank.example\"";
            return if self.oidc.is_on() { wrong(what) } else { Ok(()) };
        }
        match single_sign_on::is_safe(&self.public_url) {
            Err(what) => wrong(what),
            Ok(url) if url.path() != "/" => wrong("must have no path: the console is at the root of its address"),
            Ok(_) => Ok(()),
        }
    }

    /// Where the identity provider sends browsers back to.
    pub fn redirect_uri(&self) -> String {
        format!("{}{}", self.public_url.trim_end_matches('/'), super::access::CALLBACK)
    }

    /// Whether browsers reach the console by HTTPS, so that cookies may be for HTTPS only.
    pub(super) fn is_secure(&self) -> bool {
        self.address().has_tls() || self.public_url.starts_with("https://")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_address_is_the_root_of_a_site_that_nobody_reads_along() {
        let check = |public_url: &str| {
            let settings =
                Settings { listen: "127.0.0.1:0".to_owned(), public_url: public_url.to_owned(), ..Settings::default() };
            settings.check().map_err(|error| error.to_string())
        };
        for url in ["", "https://otpost.bank.example", "https://otpost.bank.example/", "http://127.0.0.1:8470"] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
        for (url, expected) in [
            ("otpost.bank.example", "expected https:// and a host"),
            ("http://otpost.bank.example", "plain HTTP is allowed on this machine only"),
            ("https://otpost.bank.example/console", "must have no path"),
            ("https://otpost.bank.example?a=1", "no query"),
        ] {
            let error = check(url).unwrap_err();
            assert!(error.starts_with("console.public_url: ") && error.contains(expected), "{error}");
        }
    }
}
