//! `otpost key new`: one more key.

use std::process::ExitCode;

use super::{READ_SOON, door};
use crate::cli::{ConfigFile, output, usage};
use crate::domain::clock::{Clock, SystemClock};
use crate::pki::jwe_keys::KeyringEditor;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Of its modulus: 3072 is good beyond 2030 (NIST SP 800-57), 2048 opens three times as many bodies a second
    #[arg(long, value_name = "N", default_value = "3072", value_parser = ["2048", "3072", "4096"])]
    bits: String,
    /// Publish it at once; only while no key is published
    #[arg(long)]
    activate: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// Makes it, and prints its id.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let settings = door(&args.config)?;
    let (bits, now) = (args.bits.parse()?, SystemClock.now());
    let mut change = KeyringEditor::begin(&settings.encryption_keys).map_err(usage)?;
    let made = if args.activate { change.add_first(bits, now) } else { change.add(bits, now) };
    let id = made.map_err(usage)?;
    output::line(&id)?;
    output::note(format_args!("{READ_SOON}"));
    if !args.activate {
        output::note(format_args!("then publish it with `otpost key activate {id}`"));
    }
    Ok(ExitCode::SUCCESS)
}
