//! `otpost ca sign`: signs a client's request, writes that down, and says how to let the client in.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use openssl::x509::X509;
use serde_json::json;

use super::pin::{self, Pinned};
use super::{CaLocation, day, passphrase};
use crate::cli::{Usage, output};
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::ingest;
use crate::pki;
use crate::pki::ca::index::IssuedCertificate;
use crate::pki::ca::store;
use crate::pki::ca::store::CaStore;
use crate::pki::{CaEnvironment, expiry};

const NAME_MAX: usize = 64;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The signing request, in PEM or DER
    #[arg(value_name = "CSR")]
    request: PathBuf,
    /// The client's name in the configuration; the same again for its next certificate
    #[arg(long, value_name = "NAME")]
    client: String,
    /// Which environment of the client it is for
    #[arg(long)]
    env: CaEnvironment,
    /// How long it is valid, at most 825
    #[arg(long, value_name = "N")]
    days: u32,
    /// Where to write the certificate [default: beside the request, with the ending .pem]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Let the client in: put the hash of its key into the configuration, beside those that are there
    #[arg(long)]
    pin: bool,
    /// With --pin: take the client's other hashes out
    #[arg(long, requires = "pin")]
    replace: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    words: passphrase::PassphraseArgs,
    #[command(flatten)]
    place: CaLocation,
}

/// What came of it.
struct Signed {
    record: IssuedCertificate,
    out: PathBuf,
    /// What the configuration says with the new pin in it; nothing when there is none to read.
    pinned: Option<Pinned>,
    /// Whether that was written.
    let_in: bool,
}

/// Signs. Everything that can be refused is refused before.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let csr = super::show::read(&args.request)?;
    let out = args.out.clone().unwrap_or_else(|| args.request.with_extension("pem"));
    let config = &args.place.config.config;
    look_ahead(args, &out)?;
    let desk = args.place.desk(args.env);
    let now = SystemClock.now();
    // In hand until the configuration is written: two who sign at once must not lose each other's pins.
    let in_hand = super::open(&desk, &args.words)?;
    let issued = in_hand.issue(&csr, &args.client, args.days, now);
    let (record, certificate) = issued.map_err(|error| refused(args, error))?;
    hand_over(&out, &record, &certificate)?;
    let planned = pin::plan(config, &args.client, &record.pin, args.replace);
    let missing = match &planned {
        Ok(pinned) if args.pin && !pinned.was_there => pin::carry_out(config, pinned).err(),
        _ => None,
    };
    drop(in_hand);
    let let_in = args.pin && planned.is_ok() && missing.is_none();
    let signed = Signed { record, out, pinned: planned.ok(), let_in };
    if args.json {
        as_json(args, &signed)?;
    } else {
        as_text(args, &signed)?;
    }
    notes(args, &desk, &signed, now);
    missing.map_or(Ok(ExitCode::SUCCESS), Err)
}

fn look_ahead(args: &Args, out: &Path) -> anyhow::Result<()> {
    if !(1..=NAME_MAX).contains(&args.client.chars().count()) || args.client.chars().any(char::is_control) {
        return Err(Usage(format!("--client: expected 1 to {NAME_MAX} characters")).into());
    }
    super::must_be_new(out)?;
    if args.pin {
        // Any pin will do to see whether the file can take one.
        pin::plan(&args.place.config.config, &args.client, "", false)?;
    }
    Ok(())
}

// It is on record by now: signing again would make a second one.
fn hand_over(out: &Path, record: &IssuedCertificate, certificate: &X509) -> anyhow::Result<()> {
    pki::write_certificate(out, certificate).map_err(super::unwritten).with_context(|| {
        format!("{} was signed and is on record; otpost ca export --client {} writes it", record.serial, record.client)
    })
}

fn refused(args: &Args, error: store::Error) -> anyhow::Error {
    match error {
        store::Error::Pki(error @ (pki::Error::File { .. } | pki::Error::Ended(_))) => error.into(),
        store::Error::Pki(_) | store::Error::Compromised(_) => {
            Usage(format!("{}: {error}", args.request.display())).into()
        }
        other => super::told(other),
    }
}

fn as_json(args: &Args, signed: &Signed) -> anyhow::Result<()> {
    let Signed { record, out, pinned, let_in } = signed;
    output::json(&json!({
        "certificate": out,
        "environment": args.env.name(),
        "client": record.client,
        "serial": record.serial,
        "subject": record.subject,
        "not_after": record.not_after.to_string(),
        "spki": record.pin,
        "configured": pinned.as_ref().is_some_and(|pinned| *let_in || pinned.was_there),
    }))
}

fn as_text(args: &Args, signed: &Signed) -> anyhow::Result<()> {
    let Signed { record, out, pinned, let_in } = signed;
    let config = args.place.config.config.display();
    output::line(format_args!("signed {} for client {}, {}", out.display(), record.client, args.env))?;
    output::line(format_args!("  subject    {}", record.subject))?;
    output::line(format_args!("  serial     {}", record.serial))?;
    output::line(format_args!("  not after  {}", day(record.not_after)))?;
    output::line(format_args!("  spki       {}", record.pin))?;
    output::line("")?;
    let pins = pinned.as_ref().map_or_else(|| vec![record.pin.clone()], |pinned| pinned.pins.clone());
    match pinned {
        Some(pinned) if pinned.was_there => output::line(format_args!("{config} lets this key in already:"))?,
        Some(_) if *let_in => {
            output::line(format_args!("{config} lets it in now; a gateway that runs goes by it within a second:"))?;
        }
        Some(_) => output::line(format_args!("to let it in, {config} must say (--pin writes it):"))?,
        None => output::line("to let it in, the gateway's configuration must say:")?,
    }
    output::line("")?;
    output::line(pin::block(&record.client, &pins))?;
    Ok(())
}

/// What would keep the client out all the same, or sooner than was asked.
fn notes(args: &Args, desk: &CaStore, signed: &Signed, now: Timestamp) {
    let Signed { record, pinned, .. } = signed;
    if let Some(other) = signed_by_another(args, &record.pin) {
        output::note(format_args!(
            "note: the {other} CA has signed this key too; each environment should have its own"
        ));
    }
    if expiry::days_left(record.not_after, now) < i64::from(args.days) - 1 {
        output::note("note: it ends with the CA, sooner than was asked");
    }
    if desk.list_until().is_ok_and(|until| until < record.not_after) {
        output::note("note: the list of revoked certificates ends before it does; otpost ca crl renews it");
    }
    let Some(pinned) = pinned else { return };
    if pinned.subject.as_ref().is_some_and(|subject| *subject != record.subject) {
        output::note("note: the client's subject in the configuration is another one, and both must fit");
    }
    let config = &args.place.config.config;
    let trusted = pinned.client_ca.as_ref().map_or_else(|| ingest::Settings::default().client_ca, PathBuf::from);
    if !trusts(&config.parent().unwrap_or(Path::new("")).join(&trusted), desk) {
        let (config, trusted, ours) = (config.display(), trusted.display(), desk.path("ca.pem"));
        let needed = format!("for this certificate ingest.client_ca must be {}", ours.display());
        output::note(format_args!("note: {config} trusts {trusted}; {needed}"));
    }
}

fn signed_by_another(args: &Args, pin: &str) -> Option<CaEnvironment> {
    let has_signed = |desk: &CaStore| desk.register().is_ok_and(|it| it.certificates.iter().any(|it| it.pin == pin));
    let others = CaStore::all(&args.place.folder()).into_iter().filter(|desk| desk.environment != args.env);
    others.filter(has_signed).map(|desk| desk.environment).next()
}

fn trusts(client_ca: &Path, desk: &CaStore) -> bool {
    let Ok(pem) = pki::read_up_to(client_ca, pki::PEM_MAX) else { return false };
    let (Ok(trusted), Ok(ours)) = (X509::stack_from_pem(&pem), desk.certificate()) else { return false };
    trusted.iter().any(|one| one.to_der().ok() == ours.to_der().ok())
}
