//! `otpost key show`: prints a public key, as `GET /public-key` returns it.

use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use strum::VariantNames as _;

use super::settings;
use crate::cli::{ConfigFile, Usage, output, usage};
use crate::domain::clock::{Clock, SystemClock};
use crate::pki::jwe_keys::{JweKeyring, PublicKeyFormat};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the key [default: the published key]
    id: Option<String>,
    /// Encoding [default: ingest.public_key_format]
    #[arg(long, value_parser = formats())]
    format: Option<PublicKeyFormat>,
    #[command(flatten)]
    config: ConfigFile,
}

fn formats() -> impl TypedValueParser<Value = PublicKeyFormat> {
    PossibleValuesParser::new(PublicKeyFormat::VARIANTS).try_map(|name| name.parse::<PublicKeyFormat>())
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let settings = settings(&args.config)?;
    let keyring = JweKeyring::read(&settings.encryption_keys).map_err(usage)?;
    let entry = match &args.id {
        Some(id) => keyring.entry(id).map_err(usage)?,
        None => keyring
            .published(SystemClock.now())
            .ok_or_else(|| Usage("no encryption key is published; see `otpost key list`".to_owned()))?,
    };
    let key = keyring.key(&entry.id).map_err(usage)?;
    let text = args.format.unwrap_or(settings.public_key_format).encode(&key)?;
    output::line(text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
