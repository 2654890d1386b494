//! `otpost ca crl`: signs a new CRL before the current one expires.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use openssl::x509::X509Crl;

use super::{CaLocation, cli_error, day, passphrase};
use crate::cli::{operator_log, output};
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::{Clock, SystemClock};
use crate::pki::ca::store::CRL_DAYS;
use crate::pki::{self, CaEnvironment};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Environment of the CA, if there are two
    #[arg(long)]
    env: Option<CaEnvironment>,
    /// Validity in days
    #[arg(long, value_name = "N", default_value_t = CRL_DAYS, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// Write a copy to this file; an existing file is replaced only if it is a CRL
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    passphrase: passphrase::PassphraseArgs,
    #[command(flatten)]
    place: CaLocation,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let ca = args.place.one_ca(args.env)?;
    if let Some(out) = &args.out {
        check_new_file_or_crl(out)?;
    }
    let crl = super::unlock(&ca, &args.passphrase)?.renew_crl(args.days, SystemClock.now()).map_err(cli_error)?;
    let detail = [("environment", ca.environment.name().into()), ("days", args.days.into())];
    operator_log::record(&args.place.config, AuditKind::CrlSigned, &detail).await;
    let mut files = vec![ca.path("crl.pem")];
    if let Some(out) = &args.out {
        pki::write_crl(out, &crl)?;
        files.push(out.clone());
    }
    let until = day(ca.crl_expires_at().map_err(cli_error)?);
    for file in files {
        output::line(format_args!("signed {}: {}, valid until {until}", file.display(), revoked(&crl)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn revoked(crl: &X509Crl) -> String {
    let count = crl.get_revoked().map_or(0, openssl::stack::StackRef::len);
    output::counted(count, "revoked certificate")
}

// A CRL is renewed under the same name. Any other file must not be overwritten.
fn check_new_file_or_crl(path: &Path) -> anyhow::Result<()> {
    let is_crl =
        path.is_file() && pki::read_up_to(path, 16 * 1024 * 1024).is_ok_and(|pem| X509Crl::from_pem(&pem).is_ok());
    if is_crl { Ok(()) } else { super::check_new_file(path) }
}
