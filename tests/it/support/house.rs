//! The folder of one gateway: certificates, keys, texts, configuration file, database.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use otpost::config::Config;
use otpost::domain::clock::{Clock, SystemClock};
use otpost::pki::{self, Authority};
use otpost::render;
use otpost::store::seal::Sealer;
use tempfile::TempDir;

use super::fake::Fake;
use super::gateway::Setup;
use super::sender::Identity;

/// Certificates can be made as of earlier than now.
const AUTHORITY_AGE: Duration = Duration::from_hours(24 * 30);

pub(crate) struct House {
    folder: TempDir,
    pub(crate) authority: Authority,
    /// The processor, as the gateway knows it.
    pub(crate) processor: Identity,
    /// A second one that the gateway knows too.
    pub(crate) second: Identity,
}

/// The providers of one gateway.
pub(crate) struct Fakes {
    pub(crate) primary: Fake,
    pub(crate) backup: Fake,
    pub(crate) push: Fake,
    pub(crate) email: Fake,
}

impl House {
    pub(crate) fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create("Practice CA", 400, SystemClock.now().before(AUTHORITY_AGE)).unwrap();
        let house = Self {
            processor: client(&authority, "processor"),
            second: client(&authority, "second"),
            authority,
            folder,
        };
        for name in ["pki", "pki/dev", "keys", "templates"] {
            fs::create_dir(house.path(name)).unwrap();
        }
        let server = house.authority.issue_server(&["localhost".to_owned()], 90, SystemClock.now()).unwrap();
        pki::write_certificate(&house.path("pki/dev/ca.pem"), house.authority.certificate()).unwrap();
        pki::write_certificate(&house.path("pki/server.pem"), &server.certificate).unwrap();
        pki::write_key(&house.path("pki/server.key"), &server.key).unwrap();
        render::write_shipped(&house.path("templates")).unwrap();
        Sealer::create_key(&house.path("keys/seal.key")).unwrap();
        house
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration file.
    pub(crate) fn configure(&self, fakes: &Fakes, setup: &Setup) {
        let Setup { timeout, min_free, ingest, more } = setup;
        let mut text = format!(
            "[ingest]\nlisten = \"127.0.0.1:0\"\n{ingest}\n[store]\nmin_free = {min_free}\n\
             [templates]\ndefault_locale = \"pl\"\nbrand = \"Test Bank\"\n"
        );
        for (name, identity) in [("processor", &self.processor), ("second", &self.second)] {
            let pin = pki::spki_pin(&identity.certificate).unwrap();
            writeln!(text, "[[ingest.client]]\nname = \"{name}\"\nspki = [\"{pin}\"]").unwrap();
        }
        for (name, kind, fake) in [
            ("primary", "sms_gateway", &fakes.primary),
            ("backup", "sms_gateway", &fakes.backup),
            ("app", "push_http", &fakes.push),
        ] {
            let url = format!("http://{}/send", fake.address());
            writeln!(
                text,
                "[[provider]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"{url}\"\ntimeout = \"{timeout}\""
            )
            .unwrap();
        }
        let (host, port) = (fakes.email.address().ip(), fakes.email.address().port());
        writeln!(
            text,
            "[[provider]]\nname = \"mail\"\nkind = \"smtp\"\nhost = \"{host}\"\nport = {port}\ntls = \"none\"\n\
             from = \"Test Bank <bank@example.org>\"\ntimeout = \"{timeout}\"\n{more}"
        )
        .unwrap();
        fs::write(self.path("otpost.toml"), text).unwrap();
    }

    pub(crate) fn config(&self) -> Config {
        Config::load(&self.path("otpost.toml")).unwrap()
    }

    /// The folder as a power cut would leave it: everything that is on disk now, in another place.
    pub(crate) fn left_by_a_crash(self) -> (Self, TempDir) {
        let copy = tempfile::tempdir().unwrap();
        copy_all(self.folder.path(), copy.path());
        let Self { folder, authority, processor, second } = self;
        (Self { folder: copy, authority, processor, second }, folder)
    }
}

/// A client's certificate of `authority`.
pub(crate) fn client(authority: &Authority, name: &str) -> Identity {
    let request = pki::request(name, "Processor").unwrap();
    Identity::new(authority.sign_client(&request.csr, 90, SystemClock.now()).unwrap(), request.key)
}

// The database before its log: whatever is moved from one to the other meanwhile is still in the log.
fn copy_all(from: &Path, to: &Path) {
    let mut entries: Vec<_> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir(&target).unwrap();
            copy_all(&path, &target);
        } else if path.extension().is_none_or(|extension| extension != "db-shm") {
            fs::copy(&path, &target).unwrap();
        }
    }
}
