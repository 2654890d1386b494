//! `otpost ca show`: a signing request in words, before anybody signs it.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::cli::{Usage, show};
use crate::pki::{self, Inspection};
use openssl::x509::X509Req;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The signing request, in PEM or DER
    #[arg(value_name = "CSR")]
    request: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows it. Exit code 2 when it could not be signed.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let csr = read(&args.request)?;
    let told = pki::inspect(&csr).map_err(|_| no_key(&args.request))?;
    if args.json {
        as_json(&told)?
    } else {
        as_text(&told)?
    }
    Ok(if told.obstacles.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
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

fn as_json(told: &Inspection) -> anyhow::Result<()> {
    let wish = |wish: &pki::Wish| json!({ "name": wish.name, "granted": wish.granted });
    show::json(&json!({
        "fit": told.obstacles.is_empty(),
        "subject": told.subject,
        "key": told.key.to_string(),
        "signed_by_its_key": told.signed_by_its_key,
        "extensions": told.wishes.iter().map(wish).collect::<Vec<_>>(),
        "obstacles": told.obstacles,
    }))
}

fn as_text(told: &Inspection) -> anyhow::Result<()> {
    let subject = if told.subject.is_empty() { "(none)" } else { &told.subject };
    let signature = if told.signed_by_its_key { "made with this key" } else { "NOT made with this key" };
    show::line(format_args!("subject    {subject}"))?;
    show::line(format_args!("key        {}", told.key))?;
    show::line(format_args!("signature  {signature}"))?;
    if told.wishes.is_empty() {
        show::line("asks for   nothing else")?;
    }
    for (at, wish) in told.wishes.iter().enumerate() {
        let head = if at == 0 { "asks for" } else { "" };
        let becomes = wish.granted.map_or("ignored".to_owned(), |ours| format!("ignored; we set {ours}"));
        show::line(format_args!("{head:<10} {}: {becomes}", wish.name))?;
    }
    show::line("gets       CA:FALSE, digitalSignature, clientAuth: it can be a client, and nothing else")?;
    show::line("")?;
    if told.obstacles.is_empty() {
        show::line("it can be signed")?;
    }
    for obstacle in &told.obstacles {
        show::line(format_args!("it will not be signed: {obstacle}"))?;
    }
    Ok(())
}
