//! `otpost ca show`: a signing request in words, before anybody signs it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use openssl::x509::X509Req;
use serde_json::json;

use super::CaLocation;
use crate::cli::{Usage, output};
use crate::pki::ca::index::IssuedCertificate;
use crate::pki::ca::store;
use crate::pki::ca::store::CaStore;
use crate::pki::{self, CaEnvironment, CsrReview};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The signing request, in PEM or DER
    #[arg(value_name = "CSR")]
    request: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: CaLocation,
}

/// Shows it. Exit code 2 when it could not be signed.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let csr = read(&args.request)?;
    let mut told = pki::inspect(&csr).map_err(|_| no_key(&args.request))?;
    let earlier = earlier(&args.place, &mut told)?;
    if args.json {
        as_json(&told, &earlier)?;
    } else {
        as_text(&told, &earlier)?;
    }
    Ok(if told.obstacles.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// The certificates that were issued for the same key, where there is a desk to be asked.
fn earlier(place: &CaLocation, told: &mut CsrReview) -> anyhow::Result<Vec<(CaEnvironment, IssuedCertificate)>> {
    let mut earlier = Vec::new();
    for desk in CaStore::all(&place.folder()) {
        let register = desk.register().map_err(super::told)?;
        let authority = desk.certificate().map_err(super::told)?;
        if pki::distinguished_name(authority.subject_name()) == told.subject {
            told.obstacles.push(format!("{}, in {}", pki::Error::OwnName, desk.environment));
        }
        if let Some(lost) = register.compromised(&told.pin) {
            told.obstacles.push(store::Error::Compromised(lost.serial.clone()).to_string());
        }
        let same_key = register.certificates.into_iter().filter(|record| record.pin == told.pin);
        earlier.extend(same_key.map(|record| (desk.environment, record)));
    }
    Ok(earlier)
}

/// Reads a request that a stranger has made.
pub(super) fn read(path: &Path) -> anyhow::Result<X509Req> {
    let bytes = super::read(path)?;
    pki::read_request(&bytes).map_err(|error| Usage(format!("{}: {error}", path.display())).into())
}

/// What is said of a request whose key OpenSSL does not understand.
fn no_key(path: &Path) -> anyhow::Error {
    Usage(format!("{}: its key is of a kind that is not known", path.display())).into()
}

fn as_json(told: &CsrReview, earlier: &[(CaEnvironment, IssuedCertificate)]) -> anyhow::Result<()> {
    let wish = |wish: &pki::RequestedExtension| json!({ "name": wish.name, "granted": wish.granted });
    let before = |(of, record): &(CaEnvironment, IssuedCertificate)| json!({ "environment": of.name(), "client": record.client, "serial": record.serial });
    output::json(&json!({
        "fit": told.obstacles.is_empty(),
        "subject": told.subject,
        "key": told.key.to_string(),
        "signed_by_its_key": told.signed_by_its_key,
        "extensions": told.preferences.iter().map(wish).collect::<Vec<_>>(),
        "spki": told.pin,
        "earlier": earlier.iter().map(before).collect::<Vec<_>>(),
        "obstacles": told.obstacles,
    }))
}

fn as_text(told: &CsrReview, earlier: &[(CaEnvironment, IssuedCertificate)]) -> anyhow::Result<()> {
    let subject = if told.subject.is_empty() { "(none)" } else { &told.subject };
    let signature = if told.signed_by_its_key { "made with this key" } else { "NOT made with this key" };
    output::line(format_args!("subject    {subject}"))?;
    output::line(format_args!("key        {}", told.key))?;
    output::line(format_args!("signature  {signature}"))?;
    output::line(format_args!("spki       {}", told.pin))?;
    for (of, record) in earlier {
        output::line(format_args!(
            "seen       this key has the certificate {} of {}, {of}",
            record.serial, record.client
        ))?;
    }
    if told.preferences.is_empty() {
        output::line("asks for   nothing else")?;
    }
    for (at, wish) in told.preferences.iter().enumerate() {
        let head = if at == 0 { "asks for" } else { "" };
        let becomes = wish.granted.map_or("ignored".to_owned(), |ours| format!("ignored; we set {ours}"));
        output::line(format_args!("{head:<10} {}: {becomes}", wish.name))?;
    }
    output::line("gets       CA:FALSE, digitalSignature, clientAuth: it can be a client, and nothing else")?;
    output::line("")?;
    if told.obstacles.is_empty() {
        output::line("it can be signed")?;
    }
    for obstacle in &told.obstacles {
        output::line(format_args!("it will not be signed: {obstacle}"))?;
    }
    Ok(())
}
