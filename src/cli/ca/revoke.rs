//! `otpost ca revoke`: takes a certificate back, and signs the list that says so.

use std::path::Path;
use std::process::ExitCode;

use openssl::x509::X509;
use serde_json::json;

use super::{CaLocation, passphrase, told};
use crate::cli::{Usage, output};
use crate::domain::clock::{Clock, SystemClock};
use crate::pki::ca::index::normal_serial;
use crate::pki::ca::store;
use crate::pki::ca::store::CaStore;
use crate::pki::{self, CaEnvironment, RevocationReason};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The certificate's number, as `ca list` shows it, or its file
    #[arg(value_name = "SERIAL|FILE")]
    which: String,
    /// Why: keyCompromise, superseded, cessationOfOperation, … (RFC 5280)
    #[arg(long, default_value_t)]
    reason: RevocationReason,
    /// Of this environment
    #[arg(long)]
    env: Option<CaEnvironment>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    words: passphrase::PassphraseArgs,
    #[command(flatten)]
    place: CaLocation,
}

/// Takes it back and says what else is to be done.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (desk, serial) = meant(args)?;
    let record = super::open(&desk, &args.words)?.revoke(&serial, args.reason, SystemClock.now()).map_err(told)?;
    let list = desk.path("crl.pem");
    if args.json {
        let whole = json!({ "serial": record.serial, "client": record.client, "reason": args.reason, "crl": list });
        output::json(&whole)?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(format_args!("revoked {}, {}: {}", record.serial, record.client, record.subject))?;
    output::line(format_args!("the list that says so is {}", list.display()))?;
    output::line("")?;
    output::line("next:")?;
    output::line("  A gateway on this machine whose ingest.crl names that file reads it by itself.")?;
    output::line("  For one elsewhere, copy the file to where its ingest.crl says.")?;
    output::line(format_args!(
        "  If nothing else uses this key, take its hash out of [[ingest.client]]: {}",
        record.pin
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn meant(args: &Args) -> anyhow::Result<(CaStore, String)> {
    let desks = args.place.desks(args.env)?;
    match normal_serial(&args.which) {
        Some(serial) => Ok((by_number(desks, &serial)?, serial)),
        None => by_file(&desks, Path::new(&args.which)),
    }
}

fn by_number(desks: Vec<CaStore>, serial: &str) -> anyhow::Result<CaStore> {
    for desk in desks {
        if desk.register().map_err(told)?.find(serial).is_some() {
            return Ok(desk);
        }
    }
    Err(Usage(format!("{serial}: no certificate of that number was issued here; otpost ca list shows them")).into())
}

fn by_file(desks: &[CaStore], path: &Path) -> anyhow::Result<(CaStore, String)> {
    let wrong = |what: &str| Usage(format!("{}: {what}", path.display()));
    let bytes = super::read(path)?;
    if pki::is_locked(&bytes) {
        return Err(wrong("is not a certificate").into());
    }
    let certificate = X509::from_pem(&bytes).or_else(|_| X509::from_der(&bytes));
    let certificate = certificate.map_err(|_| wrong("is neither a certificate's number nor a certificate"))?;
    let (desk, record) = store::find(desks, &certificate).map_err(told)?.ok_or_else(|| wrong("was not issued here"))?;
    Ok((desk, record.serial))
}
