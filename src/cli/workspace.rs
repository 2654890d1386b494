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
use crate::store::seal::{self, Sealer};
use crate::store::{self, Role, Store};
use crate::{pki, render};

/// The configuration as shipped; a workspace's own begins with it.
const SHIPPED: &str = include_str!("../../config/otpost.toml");

/// A development authority should not live long.
const AUTHORITY_DAYS: u32 = 825;
const CERTIFICATE_DAYS: u32 = 365;

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
        let mut config = SHIPPED.to_owned();
        write!(config, "\n# The development processor of this workspace: pki/processor.pem.\n")?;
        write!(config, "[[ingest.client]]\nname = \"{CLIENT}\"\nspki = [\"{pin}\"]\n{more}")?;
        fs::write(self.config(), config)?;
        self.database().await
    }

    // The processor sends a request, we sign it: here we play both.
    fn certificates(&self) -> anyhow::Result<String> {
        let now = SystemClock.now();
        let authority = pki::Authority::create("otpost development CA", AUTHORITY_DAYS, now)?;
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let server = authority.issue_server(&names, CERTIFICATE_DAYS, now)?;
        let request = pki::request("processor development", "Processor")?;
        let client = authority.sign_client(&request.csr, CERTIFICATE_DAYS, now)?;
        pki::write_certificate(&self.path("pki/client-ca.pem"), authority.certificate())?;
        pki::write_key(&self.path("pki/client-ca.key"), authority.key())?;
        pki::write_certificate(&self.path("pki/server.pem"), &server.certificate)?;
        pki::write_key(&self.path("pki/server.key"), &server.key)?;
        pki::write_request(&self.path("pki/processor.csr"), &request.csr)?;
        pki::write_key(&self.path("pki/processor.key"), &request.key)?;
        pki::write_certificate(&self.path("pki/processor.pem"), &client)?;
        Ok(pki::spki_pin(&client)?)
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

fn aside(folder: &Path) -> anyhow::Result<PathBuf> {
    let name = folder.file_name().ok_or_else(|| Usage(format!("{}: expected a folder's name", folder.display())))?;
    let mut aside = name.to_owned();
    aside.push(format!(".new-{}", std::process::id()));
    Ok(folder.with_file_name(aside))
}
