//! Creates a workspace: everything that a gateway needs, in one folder.
//!
//! It is created under a temporary name and renamed when it is complete, so that a failure leaves nothing behind.

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
use crate::store::{self, OpenMode, Store};

/// The configuration of a workspace begins with the shipped one.
const SHIPPED: &str = include_str!("../../config/otpost.toml");

/// The development CA. Its CRL is valid as long as the CA, so that an expired CRL never stops a workspace.
const DEVELOPMENT_CA: CaParams<'static> =
    CaParams { name: "otpost development CA", days: 825, crl_days: 825, passphrase: None };

const CERTIFICATE_DAYS: u32 = 365;

/// Certificate of the development CA. A client verifies the server with it.
pub(super) const CA_CERTIFICATE: &str = "pki/dev/ca.pem";

/// Name of the development processor.
pub(super) const CLIENT: &str = "processor-dev";

#[derive(Debug, Clone)]
pub(super) struct Workspace {
    folder: PathBuf,
}

impl Workspace {
    /// Creates a workspace in `folder`, which must not exist or must be empty. `more` is appended to the configuration.
    pub(super) async fn create(folder: &Path, more: &str) -> anyhow::Result<Self> {
        if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
            let text = format!("{} is not empty; a workspace is created in a new or empty folder", folder.display());
            return Err(Usage(text).into());
        }
        let temporary = temporary(folder)?;
        fs::create_dir_all(&temporary).with_context(|| format!("cannot create {}", temporary.display()))?;
        match (Self { folder: temporary.clone() }).fill(more).await {
            Ok(()) => {
                // This replaces an empty folder of that name.
                fs::rename(&temporary, folder).with_context(|| format!("cannot create {}", folder.display()))?;
                Ok(Self { folder: folder.to_owned() })
            }
            Err(error) => {
                let _ = fs::remove_dir_all(&temporary);
                Err(error)
            }
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

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

    // In production the processor creates the key and the request; here both sides are created.
    fn certificates(&self) -> anyhow::Result<String> {
        let now = SystemClock.now();
        let ca = CaStore::at(&self.path("pki"), CaEnvironment::Dev).create(&DEVELOPMENT_CA, now)?;
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let server = ca.authority().issue_server(&names, CERTIFICATE_DAYS, now)?;
        pki::write_certificate(&self.path("pki/server.pem"), &server.certificate)?;
        pki::write_key(&self.path("pki/server.key"), &server.key)?;
        let request = pki::request("processor development", "Processor")?;
        pki::write_request(&self.path("pki/processor.csr"), &request.csr)?;
        pki::write_key(&self.path("pki/processor.key"), &request.key)?;
        let (record, client) = ca.issue(&request.csr, CLIENT, CERTIFICATE_DAYS, now)?;
        pki::write_certificate(&self.path("pki/processor.pem"), &client)?;
        Ok(record.pin)
    }

    async fn database(&self) -> anyhow::Result<()> {
        Ok(self.store(&self.path("otpost.db"), OpenMode::Gateway).await?.close().await?)
    }

    /// Opens a database with the keys of this workspace.
    pub(super) async fn store(&self, file: &Path, role: OpenMode) -> Result<Store, store::Error> {
        let settings = store::Settings { url: format!("sqlite:{}", file.display()), ..store::Settings::default() };
        let sealing = seal::Settings { key_file: self.path("keys/seal.key") };
        Store::open(&settings, &sealing, role, Arc::new(SystemClock)).await
    }
}

// The only differences between the configuration of a workspace and the shipped one.
fn configuration(pin: &str, more: &str) -> Result<String, std::fmt::Error> {
    // The comment behind it stays in its column.
    let (shipped, ours) = (format!("{:<38}#", "crl = \"\""), format!("{:<38}#", "crl = \"pki/dev/crl.pem\""));
    let mut config = SHIPPED.replacen(&shipped, &ours, 1);
    write!(config, "\n# The development processor of this workspace: pki/processor.pem.\n")?;
    write!(config, "[[ingest.client]]\nname = \"{CLIENT}\"\nspki_pins = [\"{pin}\"]\n{more}")?;
    Ok(config)
}

fn temporary(folder: &Path) -> anyhow::Result<PathBuf> {
    let name =
        folder.file_name().ok_or_else(|| Usage(format!("{}: expected the name of a folder", folder.display())))?;
    let mut temporary = name.to_owned();
    temporary.push(format!(".new-{}", std::process::id()));
    Ok(folder.with_file_name(temporary))
}
