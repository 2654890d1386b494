//! `otpost ca export`: what others are given. A CA's certificate, or a client's with the chain above it; never a key.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::{CaLocation, told};
use crate::cli::{Usage, output};
use crate::domain::clock::{Clock, SystemClock};
use crate::pki::ca::index::{CertificateState, IssuedCertificate};
use crate::pki::ca::store::CaStore;
use crate::pki::{self, CaEnvironment};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Of which environment, where there are two
    #[arg(long)]
    env: Option<CaEnvironment>,
    /// The newest valid certificate of this client, and the CA's below it
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// In DER and not in PEM; to a file
    #[arg(long, requires = "out", conflicts_with = "client")]
    der: bool,
    /// Write it here and not to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: CaLocation,
}

/// Writes it out.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let desk = args.place.one_desk(args.env)?;
    let authority = desk.certificate().map_err(told)?;
    let bytes = match &args.client {
        Some(client) => [newest(&desk, client)?, authority.to_pem()?].concat(),
        None if args.der => authority.to_der()?,
        None => authority.to_pem()?,
    };
    match &args.out {
        Some(out) => {
            pki::write_new(out, &bytes).map_err(super::unwritten)?;
            output::line(format_args!("wrote {}", out.display()))?;
        }
        None => output::line(std::str::from_utf8(&bytes).context("PEM is text")?.trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn newest(desk: &CaStore, client: &str) -> anyhow::Result<Vec<u8>> {
    let now = SystemClock.now();
    let register = desk.register().map_err(told)?;
    let usable = |record: &&IssuedCertificate| {
        record.client == client
            && desk.holds(record)
            && matches!(record.state(now), CertificateState::Valid | CertificateState::ExpiresSoon)
    };
    let record = register.certificates.iter().filter(usable).max_by_key(|record| record.not_after);
    let text = || Usage(format!("{client}: no valid certificate of that client; otpost ca list shows them"));
    let certificate = desk.issued(record.ok_or_else(text)?).map_err(told)?;
    Ok(certificate.to_pem()?)
}
