//! `otpost ca show`: reviews a CSR before it is signed.

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
    /// CSR in PEM or DER
    #[arg(value_name = "CSR")]
    request: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: CaLocation,
}

/// Exits with code 2 if the CSR cannot be signed.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let csr = read(&args.request)?;
    let mut review = pki::review(&csr).map_err(|_| unsupported_key(&args.request))?;
    let earlier = earlier(&args.place, &mut review)?;
    if args.json {
        as_json(&review, &earlier)?;
    } else {
        as_text(&review, &earlier)?;
    }
    Ok(if review.obstacles.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// The certificates that were issued for the same key.
fn earlier(place: &CaLocation, review: &mut CsrReview) -> anyhow::Result<Vec<(CaEnvironment, IssuedCertificate)>> {
    let mut earlier = Vec::new();
    for ca in CaStore::all(&place.folder()) {
        let index = ca.index().map_err(super::cli_error)?;
        let authority = ca.certificate().map_err(super::cli_error)?;
        if pki::is_same_name(&pki::distinguished_name(authority.subject_name()), &review.subject) {
            review.obstacles.push(format!("{}, in {}", pki::Error::SubjectIsIssuer, ca.environment));
        }
        if let Some(record) = index.compromised(&review.pin) {
            review.obstacles.push(store::Error::Compromised(record.serial.clone()).to_string());
        }
        let same_key = index.certificates.into_iter().filter(|record| record.pin == review.pin);
        earlier.extend(same_key.map(|record| (ca.environment, record)));
    }
    Ok(earlier)
}

pub(super) fn read(path: &Path) -> anyhow::Result<X509Req> {
    let bytes = super::read(path)?;
    pki::read_request(&bytes).map_err(|error| Usage(format!("{} {error}", path.display())).into())
}

/// The key of the CSR is not supported by OpenSSL.
fn unsupported_key(path: &Path) -> anyhow::Error {
    Usage(format!("{}: the kind of its key is not supported", path.display())).into()
}

fn as_json(review: &CsrReview, earlier: &[(CaEnvironment, IssuedCertificate)]) -> anyhow::Result<()> {
    let extension = |it: &pki::RequestedExtension| json!({ "name": it.name, "granted": it.granted });
    let issued = |(of, record): &(CaEnvironment, IssuedCertificate)| json!({ "environment": of.name(), "client": record.client, "serial": record.serial });
    output::json(&json!({
        "fit": review.obstacles.is_empty(),
        "subject": review.subject,
        "key": review.key.to_string(),
        "signed_by_its_key": review.signed_by_its_key,
        "extensions": review.extensions.iter().map(extension).collect::<Vec<_>>(),
        "spki_pin": review.pin,
        "earlier": earlier.iter().map(issued).collect::<Vec<_>>(),
        "obstacles": review.obstacles,
    }))
}

fn as_text(review: &CsrReview, earlier: &[(CaEnvironment, IssuedCertificate)]) -> anyhow::Result<()> {
    let subject = if review.subject.is_empty() { "(none)" } else { &review.subject };
    let signature = if review.signed_by_its_key { "valid" } else { "NOT valid for this key" };
    output::line(format_args!("subject    {subject}"))?;
    output::line(format_args!("key        {}", review.key))?;
    output::line(format_args!("signature  {signature}"))?;
    output::line(format_args!("SPKI pin   {}", review.pin))?;
    for (of, record) in earlier {
        output::line(format_args!(
            "issued     certificate {} for this key, client {}, {of}",
            record.serial, record.client
        ))?;
    }
    if review.extensions.is_empty() {
        output::line("requests   no extensions")?;
    }
    for (at, extension) in review.extensions.iter().enumerate() {
        let label = if at == 0 { "requests" } else { "" };
        let result = extension.granted.map_or("ignored".to_owned(), |value| format!("ignored; set to {value}"));
        output::line(format_args!("{label:<10} {}: {result}", extension.name))?;
    }
    output::line("granted    CA:FALSE, digitalSignature, clientAuth: a client certificate, whatever the CSR requests")?;
    output::line("")?;
    if review.obstacles.is_empty() {
        output::line("it can be signed")?;
    }
    for obstacle in &review.obstacles {
        output::line(format_args!("it cannot be signed: {obstacle}"))?;
    }
    Ok(())
}
