//! `otpost ca encrypt`: encrypts the CA key, or changes its passphrase.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{CaLocation, cli_error, passphrase};
use crate::cli::{operator_log, output};
use crate::domain::audit_event::AuditKind;
use crate::pki::CaEnvironment;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Environment of the CA, if there are two
    #[arg(long)]
    env: Option<CaEnvironment>,
    /// Read the new passphrase from the first line of this file
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: PathBuf,
    #[command(flatten)]
    passphrase: passphrase::PassphraseArgs,
    #[command(flatten)]
    place: CaLocation,
}

/// The key stays the same, so certificates stay valid.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let ca = args.place.one_ca(args.env)?;
    let new = passphrase::new_from_file(&args.new_passphrase_file)?;
    super::unlock(&ca, &args.passphrase)?.encrypt_key(&new).map_err(cli_error)?;
    let detail = [("environment", ca.environment.name().into())];
    operator_log::record(&args.place.config, AuditKind::CaKeyEncrypted, &detail).await;
    output::line(format_args!("{} is encrypted with the passphrase", ca.path("ca.key").display()))?;
    output::note("backups of the key made before are not: destroy them, or keep them as safe as the key");
    Ok(ExitCode::SUCCESS)
}
