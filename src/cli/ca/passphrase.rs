//! The passphrase of a CA's key: from a file, from the environment, or typed unseen where somebody sits at a terminal.
//!
//! It is never an argument: every user of the machine can read those.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Context;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::cli::Usage;
use crate::config;
use crate::domain::secret::Credential;
use crate::pki::ca::store::CaStore;

/// Shorter ones are found by trying.
const LENGTH_MIN: usize = 8;

/// What OpenSSL takes.
const LENGTH_MAX: usize = 1000;

const VARIABLE: &str = "OTPOST_CA_PASSPHRASE";

#[derive(Debug, clap::Args)]
pub(super) struct PassphraseArgs {
    /// The first line of this file is the passphrase of the CA's key; else OTPOST_CA_PASSPHRASE is
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    /// For a new key: from the file or the environment; nothing when there is neither.
    pub(super) fn to_lock(&self) -> anyhow::Result<Option<Credential>> {
        let words = self.written()?;
        if words.as_ref().is_some_and(|words| words.expose().chars().count() < LENGTH_MIN) {
            return Err(Usage(format!("the passphrase is too short: expected {LENGTH_MIN} characters or more")).into());
        }
        Ok(words)
    }

    /// For a key that is there: as for a new one, or typed. Nothing for a key that is not encrypted.
    pub(super) fn to_open(&self, desk: &CaStore) -> anyhow::Result<Option<Credential>> {
        let key = desk.path("ca.key");
        if !desk.is_locked().map_err(super::told)? {
            return Ok(None);
        }
        if let Some(words) = self.written()? {
            return Ok(Some(words));
        }
        if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
            return Ok(Some(typed(&format!("Passphrase of {}: ", key.display()))?));
        }
        let text = format!("{}: is encrypted; give --passphrase-file FILE or {VARIABLE}", key.display());
        Err(Usage(text).into())
    }

    fn written(&self) -> anyhow::Result<Option<Credential>> {
        let (words, from) = match &self.passphrase_file {
            Some(file) => {
                let text = Zeroizing::new(super::read(file)?);
                let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
                (Zeroizing::new(String::from_utf8_lossy(line).into_owned()), file.display().to_string())
            }
            None => match config::variable(VARIABLE) {
                Some(words) => (Zeroizing::new(words), VARIABLE.to_owned()),
                None => return Ok(None),
            },
        };
        let words = words.trim_end_matches('\r');
        if words.is_empty() || words.len() > LENGTH_MAX {
            return Err(Usage(format!("{from}: expected a passphrase of 1 to {LENGTH_MAX} bytes")).into());
        }
        Ok(Some(Credential::new(words.to_owned())))
    }
}

fn typed(prompt: &str) -> anyhow::Result<Credential> {
    let terminal = std::io::stdin();
    let mut shown = std::io::stderr();
    write!(shown, "{prompt}")?;
    shown.flush()?;
    let before = tcgetattr(&terminal)?;
    let mut unseen = before.clone();
    unseen.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Flush, &unseen)?;
    let mut line = Zeroizing::new(String::new());
    let read = terminal.lock().read_line(&mut line);
    tcsetattr(&terminal, OptionalActions::Flush, &before)?;
    writeln!(shown)?;
    read.context("the passphrase could not be read")?;
    Ok(Credential::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}
