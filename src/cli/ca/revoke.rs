//! `otpost ca revoke`: revokes a certificate and signs a new CRL.

use std::path::Path;
use std::process::ExitCode;

use openssl::x509::X509;
use serde_json::json;

use super::{CaLocation, cli_error, passphrase};
use crate::cli::{Usage, operator_log, output};
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::{Clock, SystemClock};
use crate::pki::ca::index::normalize_serial;
use crate::pki::ca::store;
use crate::pki::ca::store::CaStore;
use crate::pki::{self, CaEnvironment, RevocationReason};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Serial number, as shown by `ca list`, or certificate file
    #[arg(value_name = "SERIAL|FILE")]
    which: String,
    /// Reason (RFC 5280): keyCompromise, superseded, cessationOfOperation, ...
    #[arg(long, default_value_t)]
    reason: RevocationReason,
    /// Environment of the CA
    #[arg(long)]
    env: Option<CaEnvironment>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    passphrase: passphrase::PassphraseArgs,
    #[command(flatten)]
    place: CaLocation,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (ca, serial) = find(args)?;
    let record =
        super::unlock(&ca, &args.passphrase)?.revoke(&serial, args.reason, SystemClock.now()).map_err(cli_error)?;
    let detail = [
        ("environment", ca.environment.name().into()),
        ("client", record.client.as_str().into()),
        ("serial", record.serial.as_str().into()),
        ("reason", args.reason.to_string().into()),
    ];
    operator_log::record(&args.place.config, AuditKind::CertificateRevoked, &detail).await;
    let crl = ca.path("crl.pem");
    if args.json {
        let revoked = json!({ "serial": record.serial, "client": record.client, "reason": args.reason, "crl": crl });
        output::json(&revoked)?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(format_args!("revoked {}, {}: {}", record.serial, record.client, record.subject))?;
    output::line(format_args!("the new CRL is {}", crl.display()))?;
    output::line("")?;
    output::line("next:")?;
    output::line("  A gateway on this machine whose ingest.crl is this file reloads it automatically.")?;
    output::line("  For a gateway on another machine, copy the file to the path of its ingest.crl.")?;
    output::line(format_args!(
        "  If no other certificate uses this key, remove its pin from [[ingest.client]]: {}",
        record.pin
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn find(args: &Args) -> anyhow::Result<(CaStore, String)> {
    let cas = args.place.cas(args.env)?;
    match normalize_serial(&args.which) {
        Some(serial) => Ok((with_serial(cas, &serial)?, serial)),
        None => from_file(&cas, Path::new(&args.which)),
    }
}

fn with_serial(cas: Vec<CaStore>, serial: &str) -> anyhow::Result<CaStore> {
    for ca in cas {
        if ca.index().map_err(cli_error)?.find(serial).is_some() {
            return Ok(ca);
        }
    }
    Err(Usage(format!("{serial}: no such certificate was issued; see `otpost ca list`")).into())
}

fn from_file(cas: &[CaStore], path: &Path) -> anyhow::Result<(CaStore, String)> {
    let invalid = |what: &str| Usage(format!("{}: {what}", path.display()));
    let bytes = super::read(path)?;
    if pki::is_encrypted(&bytes) {
        return Err(invalid("is not a certificate").into());
    }
    let certificate = X509::from_pem(&bytes).or_else(|_| X509::from_der(&bytes));
    let certificate = certificate.map_err(|_| invalid("is neither a serial number nor a certificate"))?;
    let (ca, record) =
        store::find(cas, &certificate).map_err(cli_error)?.ok_or_else(|| invalid("was not issued by this CA"))?;
    Ok((ca, record.serial))
}
