//! `otpost ca init`: makes the CA of one environment.

use std::process::ExitCode;

use super::{CaLocation, passphrase, told};
use crate::cli::{Usage, output};
use crate::domain::clock::{Clock, SystemClock};
use crate::pki::CaEnvironment;
use crate::pki::ca::store::{CaParams, LIST_DAYS};

/// A development authority should not live long.
const DEV_DAYS: u32 = 825;

/// Replacing it means that the processor is given new certificates: seldom, but not never.
const PROD_DAYS: u32 = 3650;

const NAME_MAX: usize = 64;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which environment of the processor it is for
    #[arg(long)]
    env: CaEnvironment,
    /// What it is called, its common name [default: otpost development CA, otpost production CA]
    #[arg(long, value_name = "CN")]
    name: Option<String>,
    /// How long it lives [default: 825 for dev, 3650 for prod]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=7300))]
    days: Option<u32>,
    #[command(flatten)]
    words: passphrase::PassphraseArgs,
    #[command(flatten)]
    place: CaLocation,
}

/// Makes it and says what it is made of.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (name, days) = match args.env {
        CaEnvironment::Dev => ("otpost development CA", DEV_DAYS),
        CaEnvironment::Prod => ("otpost production CA", PROD_DAYS),
    };
    let name = args.name.as_deref().unwrap_or(name);
    if !(1..=NAME_MAX).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(Usage(format!("--name: expected 1 to {NAME_MAX} characters")).into());
    }
    let passphrase = args.words.to_lock()?;
    let desk = args.place.desk(args.env);
    let days = args.days.unwrap_or(days);
    let founding = CaParams { name, days, list_days: LIST_DAYS, passphrase: passphrase.as_ref() };
    desk.create(&founding, SystemClock.now()).map_err(told)?;
    let encrypted = if passphrase.is_some() { "encrypted with the passphrase" } else { "not encrypted" };
    output::line(format_args!("made {}", desk.path("").display()))?;
    output::line("")?;
    output::line(format_args!("  ca.pem    the CA: ingest.client_ca of the {} gateway", args.env))?;
    output::line(format_args!("  ca.key    its key, {encrypted}; whoever has it can let anybody in"))?;
    output::line("  crl.pem   what was revoked: nothing yet; ingest.crl of that gateway")?;
    output::line("  issued/   what it has signed: nothing yet")?;
    output::line("")?;
    output::line("next:")?;
    output::line("  otpost ca show THEIRS.csr")?;
    output::line(format_args!("  otpost ca sign THEIRS.csr --client NAME --env {} --days 365 --pin", args.env))?;
    if args.env == CaEnvironment::Prod && passphrase.is_none() {
        output::note(
            "warning: the key of a production CA lies here unencrypted; --passphrase-file FILE encrypts a new one",
        );
    }
    Ok(ExitCode::SUCCESS)
}
