//! `otpost ca`: the certificate desk. The processor sends signing requests, we sign them, list them, take them back.
//!
//! It works on the desk's folder alone and contacts nobody. A running gateway is not needed and not disturbed.

mod crl;
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

use super::{ConfigFile, Usage};
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::pki::ca::store;
use crate::pki::ca::store::{CaStore, UnlockedCa};
use crate::pki::{self, CaEnvironment};

/// What can be done at the desk.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make the CA of an environment, with an empty list of revoked certificates
    Init(init::Args),
    /// Show what a signing request asks for, what of it would be granted, and what would stop the signing
    Show(show::Args),
    /// Sign a client's request, write that down, and say how to let the client in
    Sign(sign::Args),
    /// List the certificates that were issued
    List(list::Args),
    /// Take a certificate back and sign a new list of revoked certificates
    Revoke(revoke::Args),
    /// Sign a new list of revoked certificates
    Crl(crl::Args),
    /// Write out a CA's certificate, or a client's with its chain
    Export(export::Args),
}

/// Runs one of them.
pub(super) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Init(args) => init::run(args),
        Command::Show(args) => show::run(args),
        Command::Sign(args) => sign::run(args),
        Command::List(args) => list::run(args),
        Command::Revoke(args) => revoke::run(args),
        Command::Crl(args) => crl::run(args),
        Command::Export(args) => export::run(args),
    }
}

/// Where the desk is.
#[derive(Debug, clap::Args)]
struct CaLocation {
    /// The desk's folder [default: pki, beside the configuration file]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

impl CaLocation {
    fn folder(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| self.config.config.parent().unwrap_or(Path::new("")).join("pki"))
    }

    fn desk(&self, environment: CaEnvironment) -> CaStore {
        CaStore::at(&self.folder(), environment)
    }

    /// All desks, or the one of an environment. None at all is an error.
    fn desks(&self, only: Option<CaEnvironment>) -> anyhow::Result<Vec<CaStore>> {
        let folder = self.folder();
        let desks = CaStore::all(&folder);
        let here: Vec<_> = desks.into_iter().filter(|desk| only.is_none_or(|of| of == desk.environment)).collect();
        if here.is_empty() {
            let of = only.map_or(String::new(), |of| format!("{of} "));
            let text = format!("{}: there is no {of}CA; otpost ca init makes one", folder.display());
            return Err(Usage(text).into());
        }
        Ok(here)
    }

    /// The desk of an environment, or the only one there is.
    fn one_desk(&self, only: Option<CaEnvironment>) -> anyhow::Result<CaStore> {
        let mut desks = self.desks(only)?;
        match (desks.pop(), desks.is_empty()) {
            (Some(desk), true) => Ok(desk),
            _ => Err(Usage("there are two CAs here: say --env dev or --env prod".to_owned()).into()),
        }
    }
}

impl clap::ValueEnum for CaEnvironment {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

/// Takes the key of `desk` in hand.
fn open(desk: &CaStore, words: &passphrase::PassphraseArgs) -> anyhow::Result<UnlockedCa> {
    // Before anybody is asked for a passphrase: is there a desk, and is it the right one?
    desk.certificate().map_err(told)?;
    let passphrase = words.to_open(desk)?;
    desk.open(passphrase.as_ref()).map_err(told)
}

fn told(error: store::Error) -> anyhow::Error {
    if error.is_failure() { error.into() } else { Usage(chain(&error)).into() }
}

/// A file that could not be written; one that is in the way is the user's to move.
fn unwritten(error: pki::Error) -> anyhow::Error {
    match &error {
        pki::Error::File { path, source } if source.kind() == std::io::ErrorKind::AlreadyExists => {
            Usage(format!("{}: is there already and stays as it is", path.display())).into()
        }
        _ => error.into(),
    }
}

/// Refuses a file that is there before anything is done that would be in vain.
fn must_be_new(path: &Path) -> anyhow::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(Usage(format!("{}: is there already and stays as it is", path.display())).into());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() { Ok(()) } else { Err(Usage(format!("{}: there is no such folder", folder.display())).into()) }
}

/// Reads a file that a stranger may have made.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    pki::read_up_to(path, pki::PEM_MAX).map_err(|error| Usage(format!("{}: {error}", path.display())).into())
}

fn day(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%d").to_string()
}
