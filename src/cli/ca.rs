//! `otpost ca`: manages the client CA. Signs the processor's CSRs, lists and revokes certificates, signs CRLs.
//!
//! It works on the CA's folder alone. A running gateway is neither needed nor affected.

mod crl;
mod encrypt;
mod export;
mod init;
mod list;
mod passphrase;
mod pin;
mod revoke;
mod show;
mod sign;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValue;
use strum::VariantArray as _;

use super::{ConfigFile, Usage};
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::file_access;
use crate::pki::ca::store;
use crate::pki::ca::store::{CaStore, UnlockedCa};
use crate::pki::{self, CaEnvironment};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Create the CA of an environment, with an empty CRL
    Init(init::Args),
    /// Review a CSR: what it requests, what the certificate would contain, and whether it can be signed
    Show(show::Args),
    /// Sign the CSR of a client, record the certificate, and show how to authorize the client
    Sign(sign::Args),
    /// List the issued certificates
    List(list::Args),
    /// Revoke a certificate and sign a new CRL
    Revoke(revoke::Args),
    /// Sign a new CRL
    Crl(crl::Args),
    /// Encrypt the CA key, or change its passphrase
    Encrypt(encrypt::Args),
    /// Export the CA certificate, or the certificate of a client with its chain
    Export(export::Args),
}

pub(super) async fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Init(args) => init::run(args).await,
        Command::Show(args) => show::run(args),
        Command::Sign(args) => sign::run(args).await,
        Command::List(args) => list::run(args),
        Command::Revoke(args) => revoke::run(args).await,
        Command::Crl(args) => crl::run(args).await,
        Command::Encrypt(args) => encrypt::run(args).await,
        Command::Export(args) => export::run(args),
    }
}

#[derive(Debug, clap::Args)]
struct CaLocation {
    /// Folder of the CAs [default: pki, next to the configuration file]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

impl CaLocation {
    fn folder(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| self.config.config.parent().unwrap_or(Path::new("")).join("pki"))
    }

    fn ca(&self, environment: CaEnvironment) -> CaStore {
        CaStore::at(&self.folder(), environment)
    }

    /// All CAs, or the one of an environment. It is an error if there is none.
    fn cas(&self, only: Option<CaEnvironment>) -> anyhow::Result<Vec<CaStore>> {
        let folder = self.folder();
        let cas = CaStore::all(&folder);
        let found: Vec<_> = cas.into_iter().filter(|ca| only.is_none_or(|of| of == ca.environment)).collect();
        if found.is_empty() {
            let of = only.map_or(String::new(), |of| format!("{of} "));
            let text = format!("{}: there is no {of}CA; create it with `otpost ca init`", folder.display());
            return Err(Usage(text).into());
        }
        Ok(found)
    }

    /// The CA of an environment, or the only one that exists.
    fn one_ca(&self, only: Option<CaEnvironment>) -> anyhow::Result<CaStore> {
        let mut cas = self.cas(only)?;
        match (cas.pop(), cas.is_empty()) {
            (Some(ca), true) => Ok(ca),
            _ => Err(Usage("there are two CAs; select one with --env dev or --env prod".to_owned()).into()),
        }
    }
}

impl clap::ValueEnum for CaEnvironment {
    fn value_variants<'a>() -> &'a [Self] {
        Self::VARIANTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

/// Loads the private key of `ca`, and locks it.
fn unlock(ca: &CaStore, passphrase: &passphrase::PassphraseArgs) -> anyhow::Result<UnlockedCa> {
    // Fails before the prompt for a passphrase if the CA is missing or belongs to the other environment.
    ca.certificate().map_err(cli_error)?;
    let passphrase = passphrase.for_existing_key(ca)?;
    ca.unlock(passphrase.as_ref()).map_err(cli_error)
}

fn cli_error(error: store::Error) -> anyhow::Error {
    if error.is_system_failure() { error.into() } else { Usage(chain(&error)).into() }
}

/// An existing file is an error of the user, any other failure is not.
fn write_error(error: pki::Error) -> anyhow::Error {
    match &error {
        pki::Error::File { path, source } if source.kind() == std::io::ErrorKind::AlreadyExists => {
            Usage(format!("{} already exists; left unchanged", path.display())).into()
        }
        _ => error.into(),
    }
}

/// Fails early if the file exists or its folder does not.
fn check_new_file(path: &Path) -> anyhow::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(Usage(format!("{} already exists; choose another file with --out", path.display())).into());
    }
    let folder = file_access::folder_of(path);
    if folder.is_dir() { Ok(()) } else { Err(Usage(format!("{}: no such folder", folder.display())).into()) }
}

/// Reads an untrusted file, up to a size limit.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    pki::read_up_to(path, pki::PEM_MAX).map_err(|error| Usage(format!("{}: {error}", path.display())).into())
}

fn day(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%d").to_string()
}
