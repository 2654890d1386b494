//! `otpost ca init`: creates the CA of an environment.

use std::process::ExitCode;

use super::{CaLocation, cli_error, passphrase};
use crate::cli::{Usage, operator_log, output};
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::{Clock, SystemClock};
use crate::pki::CaEnvironment;
use crate::pki::ca::store::{CRL_DAYS, CaParams};

/// A development CA should be short-lived.
const DEV_DAYS: u32 = 825;

/// Replacing a CA means that the processor needs new certificates, so it should be rare.
const PROD_DAYS: u32 = 3650;

const NAME_MAX: usize = 64;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Environment of the processor
    #[arg(long)]
    env: CaEnvironment,
    /// Common name [default: otpost development CA, otpost production CA]
    #[arg(long, value_name = "CN")]
    name: Option<String>,
    /// Validity in days [default: 825 for dev, 3650 for prod]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=7300))]
    days: Option<u32>,
    #[command(flatten)]
    passphrase: passphrase::PassphraseArgs,
    #[command(flatten)]
    place: CaLocation,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (name, days) = match args.env {
        CaEnvironment::Dev => ("otpost development CA", DEV_DAYS),
        CaEnvironment::Prod => ("otpost production CA", PROD_DAYS),
    };
    let name = args.name.as_deref().unwrap_or(name);
    if !(1..=NAME_MAX).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(Usage(format!("--name: must have 1 to {NAME_MAX} characters")).into());
    }
    let passphrase = args.passphrase.for_new_key()?;
    let ca = args.place.ca(args.env);
    let days = args.days.unwrap_or(days);
    let params = CaParams { name, days, crl_days: CRL_DAYS, passphrase: passphrase.as_ref() };
    ca.create(&params, SystemClock.now()).map_err(cli_error)?;
    let detail = [("environment", args.env.name().into()), ("encrypted", passphrase.is_some().into())];
    operator_log::record(&args.place.config, AuditKind::CaCreated, &detail).await;
    let encrypted = if passphrase.is_some() { "encrypted with the passphrase" } else { "not encrypted" };
    output::line(format_args!("created {}", ca.path("").display()))?;
    output::line("")?;
    output::line(format_args!("  ca.pem    CA certificate; set ingest.client_ca of the {} gateway to it", args.env))?;
    output::line(format_args!(
        "  ca.key    private key, {encrypted}; keep it secret, it can sign certificates for any client"
    ))?;
    output::line("  crl.pem   CRL, empty; set ingest.crl of that gateway to it")?;
    output::line("  issued/   issued certificates, empty")?;
    output::line("")?;
    output::line("next:")?;
    output::line("  otpost ca show REQUEST.csr")?;
    output::line(format_args!("  otpost ca sign REQUEST.csr --client NAME --env {} --days 365 --pin", args.env))?;
    if args.env == CaEnvironment::Prod && passphrase.is_none() {
        output::note(
            "warning: the key of this production CA is not encrypted; encrypt it with `otpost ca encrypt --env prod --new-passphrase-file FILE`",
        );
    }
    Ok(ExitCode::SUCCESS)
}
