//! `otpost ca init`: makes the CA of one environment.

use std::process::ExitCode;

use super::{Place, passphrase, told};
use crate::cli::{Usage, show};
use crate::domain::clock::{Clock, SystemClock};
use crate::pki::Environment;
use crate::pki::desk::{Founding, LIST_DAYS};

/// A development authority should not live long.
const DEV_DAYS: u32 = 825;

/// Replacing it means that the processor is given new certificates: seldom, but not never.
const PROD_DAYS: u32 = 3650;

const NAME_MAX: usize = 64;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Which environment of the processor it is for
    #[arg(long)]
    env: Environment,
    /// What it is called, its common name [default: otpost development CA, otpost production CA]
    #[arg(long, value_name = "CN")]
    name: Option<String>,
    /// How long it lives [default: 825 for dev, 3650 for prod]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=7300))]
    days: Option<u32>,
    #[command(flatten)]
    words: passphrase::Words,
    #[command(flatten)]
    place: Place,
}

/// Makes it and says what it is made of.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (name, days) = match args.env {
        Environment::Dev => ("otpost development CA", DEV_DAYS),
        Environment::Prod => ("otpost production CA", PROD_DAYS),
    };
    let name = args.name.as_deref().unwrap_or(name);
    if !(1..=NAME_MAX).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(Usage(format!("--name: expected 1 to {NAME_MAX} characters")).into());
    }
    let passphrase = args.words.to_lock()?;
    let desk = args.place.desk(args.env);
    let days = args.days.unwrap_or(days);
    let founding = Founding { name, days, list_days: LIST_DAYS, passphrase: passphrase.as_ref() };
    desk.create(&founding, SystemClock.now()).map_err(told)?;
    let encrypted = if passphrase.is_some() { "encrypted with the passphrase" } else { "not encrypted" };
    show::line(format_args!("made {}", desk.path("").display()))?;
    show::line("")?;
    show::line(format_args!("  ca.pem    the CA: ingest.client_ca of the {} gateway", args.env))?;
    show::line(format_args!("  ca.key    its key, {encrypted}; whoever has it can let anybody in"))?;
    show::line("  crl.pem   what was revoked: nothing yet; ingest.crl of that gateway")?;
    show::line("  issued/   what it has signed: nothing yet")?;
    show::line("")?;
    show::line("next:")?;
    show::line("  otpost ca show THEIRS.csr")?;
    show::line(format_args!("  otpost ca sign THEIRS.csr --client NAME --env {} --days 365 --pin", args.env))?;
    if args.env == Environment::Prod && passphrase.is_none() {
        show::note(
            "warning: the key of a production CA lies here unencrypted; --passphrase-file FILE encrypts a new one",
        );
    }
    Ok(ExitCode::SUCCESS)
}
