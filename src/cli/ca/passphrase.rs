//! The passphrase of a CA key: from a file, from the environment, or from a prompt at the terminal.
//!
//! It is never a command-line argument, because every user of the machine can read those.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::cli::{Usage, output};
use crate::config;
use crate::domain::secret::Credential;
use crate::pki::ca::store::CaStore;

/// Shorter passphrases can be guessed.
const LENGTH_MIN: usize = 8;

/// OpenSSL's limit is 1023 bytes.
const LENGTH_MAX: usize = 1000;

const VARIABLE: &str = "OTPOST_CA_PASSPHRASE";

#[derive(Debug, clap::Args)]
pub(super) struct PassphraseArgs {
    /// Read the passphrase of the CA key from the first line of this file [default: $OTPOST_CA_PASSPHRASE]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    /// For a new key: from the file or the environment. `None` if neither is given.
    pub(super) fn for_new_key(&self) -> anyhow::Result<Option<Credential>> {
        self.configured()?.map(long_enough).transpose()
    }

    /// For an existing key: from the file, the environment or the terminal. `None` if the key is not encrypted.
    pub(super) fn for_existing_key(&self, ca: &CaStore) -> anyhow::Result<Option<Credential>> {
        let key = ca.path("ca.key");
        if !ca.is_encrypted().map_err(super::cli_error)? {
            if self.passphrase_file.is_some() {
                output::note(format_args!(
                    "note: {} is not encrypted, and the passphrase is not used; encrypt it with `otpost ca encrypt`",
                    key.display()
                ));
            }
            return Ok(None);
        }
        if let Some(passphrase) = self.configured()? {
            return Ok(Some(passphrase));
        }
        if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
            return Ok(Some(prompt(&format!("Passphrase of {}: ", key.display()))?));
        }
        let text = format!("{} is encrypted; use --passphrase-file FILE or {VARIABLE}", key.display());
        Err(Usage(text).into())
    }

    fn configured(&self) -> anyhow::Result<Option<Credential>> {
        match &self.passphrase_file {
            Some(file) => from_file(file).map(Some),
            None => config::variable(VARIABLE).map(|text| checked(&Zeroizing::new(text), VARIABLE)).transpose(),
        }
    }
}

/// A new passphrase from the first line of a file.
pub(super) fn new_from_file(file: &Path) -> anyhow::Result<Credential> {
    long_enough(from_file(file)?)
}

fn long_enough(passphrase: Credential) -> anyhow::Result<Credential> {
    if passphrase.expose().chars().count() < LENGTH_MIN {
        let text = format!("the passphrase is too short: must have at least {LENGTH_MIN} characters");
        return Err(Usage(text).into());
    }
    Ok(passphrase)
}

fn from_file(file: &Path) -> anyhow::Result<Credential> {
    let text = Zeroizing::new(super::read(file)?);
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    checked(&Zeroizing::new(String::from_utf8_lossy(line).into_owned()), &file.display().to_string())
}

fn checked(passphrase: &str, from: &str) -> anyhow::Result<Credential> {
    let passphrase = passphrase.trim_end_matches('\r');
    if passphrase.is_empty() || passphrase.len() > LENGTH_MAX {
        return Err(Usage(format!("{from}: the passphrase must have 1 to {LENGTH_MAX} bytes")).into());
    }
    Ok(Credential::new(passphrase.to_owned()))
}

fn prompt(text: &str) -> anyhow::Result<Credential> {
    let terminal = std::io::stdin();
    let mut stderr = std::io::stderr();
    write!(stderr, "{text}")?;
    stderr.flush()?;
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
    let mut line = Zeroizing::new(String::new());
    let read = terminal.lock().read_line(&mut line);
    tcsetattr(&terminal, OptionalActions::Flush, &before)?;
    writeln!(stderr)?;
    read.context("cannot read the passphrase")?;
    Ok(Credential::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}
