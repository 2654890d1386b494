//! The folder of one gateway: certificates, keys, texts, configuration file, database.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use openssl::hash::MessageDigest;
use openssl::x509::{X509, X509Req};
use otpost::config::Config;
use otpost::domain::clock::{Clock, SystemClock};
use otpost::pki::{self, Authority};
use otpost::render;
use otpost::store::seal::Sealer;
use sqlx::Connection;
use tempfile::TempDir;

use super::fake::Fake;
use super::gateway::Setup;
use super::sender::Identity;

/// Certificates can be made as of earlier than now.
const AUTHORITY_AGE: Duration = Duration::from_hours(24 * 30);

pub(crate) struct GatewayFiles {
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

impl GatewayFiles {
    pub(crate) fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create("Practice CA", 400, SystemClock.now().before(AUTHORITY_AGE)).unwrap();
        let files = Self {
            processor: client(&authority, "processor"),
            second: client(&authority, "second"),
            authority,
            folder,
        };
        for name in ["pki", "pki/dev", "keys", "templates"] {
            fs::create_dir(files.path(name)).unwrap();
        }
        let server = files.authority.issue_server(&["localhost".to_owned()], 90, SystemClock.now()).unwrap();
        pki::write_certificate(&files.path("pki/dev/ca.pem"), files.authority.certificate()).unwrap();
        pki::write_certificate(&files.path("pki/server.pem"), &server.certificate).unwrap();
        pki::write_key(&files.path("pki/server.key"), &server.key).unwrap();
        render::write_shipped(&files.path("templates")).unwrap();
        keep_two_locales(&files.path("templates"));
        Sealer::create_key(&files.path("keys/seal.key")).unwrap();
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file in the place of another one, whole.
    pub(crate) fn replace(&self, name: &str, content: impl AsRef<[u8]>) {
        let draft = self.path(&format!("{name}.draft"));
        fs::write(&draft, content).unwrap();
        fs::rename(draft, self.path(name)).unwrap();
    }

    /// Changes the configuration file.
    pub(crate) fn reconfigure(&self, change: impl FnOnce(String) -> String) {
        self.replace("otpost.toml", change(fs::read_to_string(self.path("otpost.toml")).unwrap()));
    }

    /// Puts a new certificate and its key in the place of the server's.
    pub(crate) fn renew_server(&self) -> X509 {
        let server = self.authority.issue_server(&["localhost".to_owned()], 90, SystemClock.now()).unwrap();
        self.replace("pki/server.key", server.key.private_key_to_pem_pkcs8().unwrap());
        self.replace("pki/server.pem", server.certificate.to_pem().unwrap());
        server.certificate
    }

    /// Adds a client to the configuration file.
    pub(crate) fn list(&self, identity: &Identity) {
        let pin = pki::spki_pin(&identity.certificate).unwrap();
        let client = format!("[[ingest.client]]\nname = \"{pin}\"\nspki_pins = [\"{pin}\"]\n");
        self.reconfigure(|text| text + "\n" + &client);
    }

    /// The processor's key, with a certificate of another authority.
    pub(crate) fn reissued(&self, authority: &Authority) -> Identity {
        let key = self.processor.key.clone();
        let mut request = X509Req::builder().unwrap();
        request.set_version(0).unwrap();
        request.set_subject_name(self.processor.certificate.subject_name()).unwrap();
        request.set_pubkey(&key).unwrap();
        request.sign(&key, MessageDigest::sha256()).unwrap();
        Identity::new(authority.sign_client(&request.build(), 90, SystemClock.now()).unwrap(), key)
    }

    /// Everything that has been written into the audit log, the oldest first: kind and detail.
    pub(crate) async fn audit(&self) -> Vec<(String, serde_json::Value)> {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.path("otpost.db")).read_only(true);
        let mut database = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT kind, detail FROM audit_event ORDER BY seq").fetch_all(&mut database).await.unwrap();
        rows.into_iter().map(|(kind, detail)| (kind, serde_json::from_str(&detail).unwrap())).collect()
    }

    /// Writes the configuration file.
    pub(crate) fn configure(&self, fakes: &Fakes, setup: &Setup) {
        let Setup { timeout, min_free, ingest, more, first, .. } = setup;
        let mut text = format!(
            "[ingest]\nlisten = \"127.0.0.1:0\"\n{ingest}\n[store]\nmin_free = {min_free}\n\
             [templates]\ndefault_locale = \"pl\"\nbrand = \"Test Bank\"\n{first}\n"
        );
        for (name, identity) in [("processor", &self.processor), ("second", &self.second)] {
            let pin = pki::spki_pin(&identity.certificate).unwrap();
            writeln!(text, "[[ingest.client]]\nname = \"{name}\"\nspki_pins = [\"{pin}\"]").unwrap();
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

/// Leaves the texts in English and Polish: a gateway starts sooner, and other languages are read in the default.
pub(crate) fn keep_two_locales(templates: &Path) {
    for folder in fs::read_dir(templates).unwrap().map(Result::unwrap) {
        if !["en", "pl"].iter().any(|kept| folder.file_name() == *kept) {
            fs::remove_dir_all(folder.path()).unwrap();
        }
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
        } else if path.extension().is_none_or(|extension| extension != "db-shm" && extension != "sock") {
            fs::copy(&path, &target).unwrap();
        }
    }
}
