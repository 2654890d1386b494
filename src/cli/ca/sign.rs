//! `otpost ca sign`: signs the CSR of a client, records the certificate, and shows how to authorize the client.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use openssl::x509::X509;
use serde_json::json;

use super::pin::{self, Pinned};
use super::{CaLocation, day, passphrase};
use crate::cli::{Usage, operator_log, output};
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::file_access;
use crate::ingest;
use crate::pki;
use crate::pki::ca::index::IssuedCertificate;
use crate::pki::ca::store;
use crate::pki::ca::store::CaStore;
use crate::pki::{CaEnvironment, expiry};

const NAME_MAX: usize = 64;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// CSR in PEM or DER
    #[arg(value_name = "CSR")]
    request: PathBuf,
    /// Name of the client in the configuration; use the same name for its next certificate
    #[arg(long, value_name = "NAME")]
    client: String,
    /// Environment of the client
    #[arg(long)]
    env: CaEnvironment,
    /// Validity in days, at most 825
    #[arg(long, value_name = "N")]
    days: u32,
    /// Certificate file [default: the name of the CSR with the extension .pem]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Authorize the client: add the SPKI pin of its key to the configuration
    #[arg(long)]
    pin: bool,
    /// With --pin: remove the other pins of the client
    #[arg(long, requires = "pin")]
    replace: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    passphrase: passphrase::PassphraseArgs,
    #[command(flatten)]
    place: CaLocation,
}

struct Signed {
    record: IssuedCertificate,
    out: PathBuf,
    /// The configuration with the new pin. `None` if it cannot be read.
    pinned: Option<Pinned>,
    /// Whether the pin was written to the configuration.
    authorized: bool,
}

/// Checks everything that can fail before it signs.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let csr = super::show::read(&args.request)?;
    let out = args.out.clone().unwrap_or_else(|| args.request.with_extension("pem"));
    let config = &args.place.config.config;
    check_args(args, &out)?;
    let ca = args.place.ca(args.env);
    let now = SystemClock.now();
    // Locked until the configuration is written, so that concurrent commands do not lose each other's pins.
    let unlocked = super::unlock(&ca, &args.passphrase)?;
    let issued = unlocked.issue(&csr, &args.client, args.days, now);
    let (record, certificate) = issued.map_err(|error| sign_error(args, error))?;
    write_certificate(&out, &record, &certificate)?;
    let planned = pin::plan(config, &args.client, &record.pin, args.replace);
    let failure = match &planned {
        Ok(pinned) if args.pin && !pinned.unchanged => pin::write(config, pinned).err(),
        _ => None,
    };
    drop(unlocked);
    let authorized = args.pin && planned.is_ok() && failure.is_none();
    let detail = [
        ("environment", args.env.name().into()),
        ("client", record.client.as_str().into()),
        ("serial", record.serial.as_str().into()),
        ("spki_pin", record.pin.as_str().into()),
        ("authorized", authorized.into()),
    ];
    operator_log::record(&args.place.config, AuditKind::CertificateSigned, &detail).await;
    let signed = Signed { record, out, pinned: planned.ok(), authorized };
    if args.json {
        as_json(args, &signed)?;
    } else {
        as_text(args, &signed)?;
    }
    notes(args, &ca, &signed, now);
    failure.map_or(Ok(ExitCode::SUCCESS), Err)
}

fn check_args(args: &Args, out: &Path) -> anyhow::Result<()> {
    if !(1..=NAME_MAX).contains(&args.client.chars().count()) || args.client.chars().any(char::is_control) {
        return Err(Usage(format!("--client: must have 1 to {NAME_MAX} characters")).into());
    }
    if !(1..=pki::CLIENT_DAYS_MAX).contains(&args.days) {
        return Err(Usage(format!("--days: {}", pki::Error::Days(args.days))).into());
    }
    args.place.ca(args.env).certificate().map_err(super::cli_error)?;
    super::check_new_file(out)?;
    if args.pin {
        // Checks that a pin can be added to the file.
        pin::plan(&args.place.config.config, &args.client, "", false)?;
    }
    Ok(())
}

// The certificate is recorded by now. Signing again would issue a second one.
fn write_certificate(out: &Path, record: &IssuedCertificate, certificate: &X509) -> anyhow::Result<()> {
    pki::write_certificate(out, certificate).map_err(super::write_error).with_context(|| {
        format!(
            "certificate {} was signed and recorded; write it with `otpost ca export --client {}`",
            record.serial, record.client
        )
    })
}

fn sign_error(args: &Args, error: store::Error) -> anyhow::Error {
    match error {
        store::Error::Pki(error @ (pki::Error::File { .. } | pki::Error::Expired(_))) => error.into(),
        store::Error::Pki(_) | store::Error::Compromised(_) => {
            Usage(format!("{}: {error}", args.request.display())).into()
        }
        other => super::cli_error(other),
    }
}

fn as_json(args: &Args, signed: &Signed) -> anyhow::Result<()> {
    let Signed { record, out, pinned, authorized } = signed;
    output::json(&json!({
        "certificate": out,
        "environment": args.env.name(),
        "client": record.client,
        "serial": record.serial,
        "subject": record.subject,
        "not_after": record.not_after.to_string(),
        "spki_pin": record.pin,
        "configured": pinned.as_ref().is_some_and(|pinned| *authorized || pinned.unchanged),
    }))
}

fn as_text(args: &Args, signed: &Signed) -> anyhow::Result<()> {
    let Signed { record, out, pinned, authorized } = signed;
    let config = args.place.config.config.display();
    output::line(format_args!("signed {} for client {}, {}", out.display(), record.client, args.env))?;
    output::line(format_args!("  subject    {}", record.subject))?;
    output::line(format_args!("  serial     {}", record.serial))?;
    output::line(format_args!("  not after  {}", day(record.not_after)))?;
    output::line(format_args!("  SPKI pin   {}", record.pin))?;
    output::line("")?;
    let pins = pinned.as_ref().map_or_else(|| vec![record.pin.clone()], |pinned| pinned.pins.clone());
    match pinned {
        Some(pinned) if pinned.unchanged => output::line(format_args!("{config} already authorizes this key:"))?,
        Some(_) if *authorized => {
            output::line(format_args!("added the pin to {config}; a running gateway reloads it within a second:"))?;
        }
        Some(_) => output::line(format_args!("to authorize the client, add this to {config}, or use --pin:"))?,
        None => output::line("to authorize the client, add this to the gateway's configuration:")?,
    }
    output::line("")?;
    output::line(pin::block(&record.client, &pins))?;
    Ok(())
}

/// Reports what could still prevent the client from connecting.
fn notes(args: &Args, ca: &CaStore, signed: &Signed, now: Timestamp) {
    let Signed { record, pinned, .. } = signed;
    if let Some(other) = signed_by_another(args, &record.pin) {
        output::note(format_args!(
            "note: the {other} CA has also signed this key; use a separate key for each environment"
        ));
    }
    if expiry::days_left(record.not_after, now) < i64::from(args.days) - 1 {
        output::note("note: the certificate expires with the CA, earlier than requested");
    }
    if ca.crl_expires_at().is_ok_and(|until| until < record.not_after) {
        output::note("note: the CRL expires before the certificate; renew it with `otpost ca crl`");
    }
    let Some(pinned) = pinned else { return };
    if pinned.subject.as_ref().is_some_and(|subject| !pki::is_same_name(subject, &record.subject)) {
        output::note("note: the configured subject of the client differs; both the pin and the subject must match");
    }
    let config = &args.place.config.config;
    let trusted = pinned.client_ca.as_ref().map_or_else(|| ingest::Settings::default().client_ca, PathBuf::from);
    if !trusts(&config.parent().unwrap_or(Path::new("")).join(&trusted), ca) {
        let (config, trusted, ca_file) = (config.display(), trusted.display(), ca.path("ca.pem"));
        let needed = format!("set ingest.client_ca to {} for this certificate", ca_file.display());
        output::note(format_args!("note: {config} trusts {trusted}; {needed}"));
    }
}

fn signed_by_another(args: &Args, pin: &str) -> Option<CaEnvironment> {
    let has_signed = |ca: &CaStore| ca.index().is_ok_and(|it| it.certificates.iter().any(|it| it.pin == pin));
    let others = CaStore::all(&args.place.folder()).into_iter().filter(|ca| ca.environment != args.env);
    others.filter(has_signed).map(|ca| ca.environment).next()
}

fn trusts(client_ca: &Path, ca: &CaStore) -> bool {
    let (Ok(trusted), Ok(ours)) = (file_access::read_certificates(client_ca), ca.certificate()) else { return false };
    trusted.iter().any(|one| one.to_der().ok() == ours.to_der().ok())
}
