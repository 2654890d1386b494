//! `otpost key new`: one more key.

use std::process::ExitCode;

use super::{READ_AT_START, door};
use crate::cli::{ConfigFile, show, usage};
use crate::domain::clock::{Clock, SystemClock};
use crate::pki::encryption::Change;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
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
    let mut change = Change::begin(&settings.encryption_keys).map_err(usage)?;
    let made = if args.activate { change.add_first(bits, now) } else { change.add(bits, now) };
    let id = made.map_err(usage)?;
    show::line(&id)?;
    show::note(format_args!("{READ_AT_START}"));
    if !args.activate {
        show::note(format_args!("then publish it with `otpost key activate {id}`"));
    }
    Ok(ExitCode::SUCCESS)
}
