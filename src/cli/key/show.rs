//! `otpost key show`: a public key on standard output, just as `/public-key` hands it out.

use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::door;
use crate::cli::{ConfigFile, Usage, output, usage};
use crate::domain::clock::{Clock, SystemClock};
use crate::pki::jwe_keys::{JweKeyring, PublicKeyFormat};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which key; without it the published one
    id: Option<String>,
    /// How it is written; without it as configured
    #[arg(long, value_parser = formats())]
    format: Option<PublicKeyFormat>,
    #[command(flatten)]
    config: ConfigFile,
}

fn formats() -> impl TypedValueParser<Value = PublicKeyFormat> {
    PossibleValuesParser::new(PublicKeyFormat::ALL.map(PublicKeyFormat::name))
        .try_map(|name| PublicKeyFormat::ALL.into_iter().find(|format| format.name() == name).ok_or("not a format"))
}

/// Prints it.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let settings = door(&args.config)?;
    let keyring = JweKeyring::read(&settings.encryption_keys).map_err(usage)?;
    let entry = match &args.id {
        Some(id) => keyring.entry(id).map_err(usage)?,
        None => keyring
            .published(SystemClock.now())
            .ok_or_else(|| Usage("no encryption key is published; `otpost key list` shows them".to_owned()))?,
    };
    let key = keyring.key(&entry.id).map_err(usage)?;
    let text = args.format.unwrap_or(settings.public_key_format).write(&key)?;
    output::line(text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
