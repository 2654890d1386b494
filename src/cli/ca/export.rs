//! `otpost ca export`: exports the CA certificate, or the certificate of a client with its chain. Never a key.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::{CaLocation, cli_error};
use crate::cli::{Usage, output};
use crate::domain::clock::{Clock, SystemClock};
use crate::pki::ca::index::{CertificateState, IssuedCertificate};
use crate::pki::ca::store::CaStore;
use crate::pki::{self, CaEnvironment};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Environment of the CA, if there are two
    #[arg(long)]
    env: Option<CaEnvironment>,
    /// Export the newest valid certificate of this client, followed by the CA certificate
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// Use DER instead of PEM; needs --out
    #[arg(long, requires = "out", conflicts_with = "client")]
    der: bool,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: CaLocation,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let ca = args.place.one_ca(args.env)?;
    let authority = ca.certificate().map_err(cli_error)?;
    let bytes = match &args.client {
        Some(client) => [newest(&ca, client)?, authority.to_pem()?].concat(),
        None if args.der => authority.to_der()?,
        None => authority.to_pem()?,
    };
    match &args.out {
        Some(out) => {
            pki::write_new(out, &bytes).map_err(super::write_error)?;
            output::line(format_args!("wrote {}", out.display()))?;
        }
        None => output::line(std::str::from_utf8(&bytes).context("PEM is text")?.trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn newest(ca: &CaStore, client: &str) -> anyhow::Result<Vec<u8>> {
    let now = SystemClock.now();
    let index = ca.index().map_err(cli_error)?;
    let is_valid = |record: &&IssuedCertificate| {
        record.client == client
            && ca.has_certificate(record)
            && matches!(record.state(now), CertificateState::Valid | CertificateState::ExpiresSoon)
    };
    let record = index.certificates.iter().filter(is_valid).max_by_key(|record| record.not_after);
    let missing = || Usage(format!("{client}: no valid certificate; see `otpost ca list`"));
    let certificate = ca.issued_certificate(record.ok_or_else(missing)?).map_err(cli_error)?;
    Ok(certificate.to_pem()?)
}
