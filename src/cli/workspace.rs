//! Makes a workspace: all that a gateway needs, in one folder, nothing half-written.
//!
//! Everything is made beside and then given its name at once, so that a failure leaves nothing behind.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::Usage;
use crate::domain::clock::{Clock, SystemClock};
use crate::pki::ca::store::{CaParams, CaStore};
use crate::pki::{self, CaEnvironment};
use crate::render;
use crate::store::seal::{self, Sealer};
use crate::store::{self, Role, Store};

/// The configuration as shipped; a workspace's own begins with it.
const SHIPPED: &str = include_str!("../../config/otpost.toml");

/// The development CA: it should not live long, and nobody should be kept out of a workspace by a list that ran out.
const FOUNDING: CaParams<'static> =
    CaParams { name: "otpost development CA", days: 825, list_days: 825, passphrase: None };

const CERTIFICATE_DAYS: u32 = 365;

/// Where the development CA is; a client needs it to know the server by.
pub(super) const AUTHORITY: &str = "pki/dev/ca.pem";

/// The name the development processor is known by.
pub(super) const CLIENT: &str = "processor-dev";

/// The files of a workspace.
#[derive(Debug, Clone)]
pub(super) struct Workspace {
    folder: PathBuf,
}

impl Workspace {
    /// Makes one at `folder`, which must not exist or be empty; `more` is put behind the configuration.
    pub(super) async fn create(folder: &Path, more: &str) -> anyhow::Result<Self> {
        if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
            let text = format!("{}: is not empty; a workspace is made in a new or empty folder", folder.display());
            return Err(Usage(text).into());
        }
        let aside = aside(folder)?;
        fs::create_dir_all(&aside).with_context(|| format!("cannot make {}", aside.display()))?;
        let made = Self { folder: aside.clone() };
        match made.fill(more).await {
            Ok(()) => {
                // An empty folder of that name gives way.
                fs::rename(&aside, folder).with_context(|| format!("cannot make {}", folder.display()))?;
                Ok(Self { folder: folder.to_owned() })
            }
            Err(error) => {
                let _ = fs::remove_dir_all(&aside);
                Err(error)
            }
        }
    }

    /// The folder it is in.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// One of its files.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The configuration file.
    pub(super) fn config(&self) -> PathBuf {
        self.path("otpost.toml")
    }

    async fn fill(&self, more: &str) -> anyhow::Result<()> {
        for folder in ["pki", "keys", "templates"] {
            fs::create_dir(self.path(folder))?;
        }
        let pin = self.certificates()?;
        render::write_shipped(&self.path("templates"))?;
        Sealer::create_key(&self.path("keys/seal.key"))?;
        fs::write(self.config(), configuration(&pin, more)?)?;
        self.database().await
    }

    // The processor sends a request, we sign it: here we play both.
    fn certificates(&self) -> anyhow::Result<String> {
        let now = SystemClock.now();
        let desk = CaStore::at(&self.path("pki"), CaEnvironment::Dev).create(&FOUNDING, now)?;
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let server = desk.authority().issue_server(&names, CERTIFICATE_DAYS, now)?;
        pki::write_certificate(&self.path("pki/server.pem"), &server.certificate)?;
        pki::write_key(&self.path("pki/server.key"), &server.key)?;
        let request = pki::request("processor development", "Processor")?;
        pki::write_request(&self.path("pki/processor.csr"), &request.csr)?;
        pki::write_key(&self.path("pki/processor.key"), &request.key)?;
        let (record, client) = desk.issue(&request.csr, CLIENT, CERTIFICATE_DAYS, now)?;
        pki::write_certificate(&self.path("pki/processor.pem"), &client)?;
        Ok(record.pin)
    }

    async fn database(&self) -> anyhow::Result<()> {
        Ok(self.store(&self.path("otpost.db"), Role::Gateway).await?.close().await?)
    }

    /// Opens a database under the keys of this workspace.
    pub(super) async fn store(&self, file: &Path, role: Role) -> Result<Store, store::Error> {
        let settings = store::Settings { url: format!("sqlite:{}", file.display()), ..store::Settings::default() };
        let sealing = seal::Settings { key_file: self.path("keys/seal.key") };
        Store::open(&settings, &sealing, role, Arc::new(SystemClock)).await
    }
}

// The one place where a workspace's configuration differs from the shipped one.
fn configuration(pin: &str, more: &str) -> Result<String, std::fmt::Error> {
    let mut config = SHIPPED.replacen("crl = \"\" ", "crl = \"pki/dev/crl.pem\" ", 1);
    write!(config, "\n# The development processor of this workspace: pki/processor.pem.\n")?;
    write!(config, "[[ingest.client]]\nname = \"{CLIENT}\"\nspki = [\"{pin}\"]\n{more}")?;
    Ok(config)
}

fn aside(folder: &Path) -> anyhow::Result<PathBuf> {
    let name = folder.file_name().ok_or_else(|| Usage(format!("{}: expected a folder's name", folder.display())))?;
    let mut aside = name.to_owned();
    aside.push(format!(".new-{}", std::process::id()));
    Ok(folder.with_file_name(aside))
}
