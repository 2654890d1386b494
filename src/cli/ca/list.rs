//! `otpost ca list`: lists the issued certificates and their states.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{CaLocation, cli_error, day};
use crate::cli::output;
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::pki::CaEnvironment;
use crate::pki::ca::index::{CertificateState, IssuedCertificate};
use crate::pki::expiry;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only certificates of this environment
    #[arg(long)]
    env: Option<CaEnvironment>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: CaLocation,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let now = SystemClock.now();
    let mut all = Vec::new();
    for ca in args.place.cas(args.env)? {
        let index = ca.index().map_err(cli_error)?;
        all.extend(index.certificates.into_iter().map(|record| (ca.environment, record)));
    }
    if args.json {
        let lines: Vec<_> = all.iter().map(|(of, record)| as_json(*of, record, now)).collect();
        output::json(&lines)?;
    } else if all.is_empty() {
        output::line("no certificates issued")?;
    } else {
        let rows: Vec<_> = all.iter().map(|(of, record)| row(*of, record, now)).collect();
        let header = ["ENV", "CLIENT", "STATE", "NOT AFTER", "DAYS LEFT", "SERIAL", "SUBJECT"];
        output::line(output::table(&header, &rows).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(of: CaEnvironment, record: &IssuedCertificate, now: Timestamp) -> Vec<String> {
    let state = match record.state(now) {
        CertificateState::Valid => "valid".to_owned(),
        CertificateState::ExpiresSoon => "expires soon".to_owned(),
        CertificateState::Expired => "expired".to_owned(),
        CertificateState::Revoked => {
            record.revoked.as_ref().map_or(String::new(), |it| format!("revoked, {}", it.reason))
        }
    };
    let left = expiry::days_left(record.not_after, now).to_string();
    let IssuedCertificate { client, serial, subject, .. } = record.clone();
    vec![of.to_string(), client, state, day(record.not_after), left, serial, subject]
}

fn as_json(of: CaEnvironment, record: &IssuedCertificate, now: Timestamp) -> Value {
    json!({
        "environment": of.name(),
        "client": record.client,
        "serial": record.serial,
        "subject": record.subject,
        "spki_pin": record.pin,
        "issued": record.issued.to_string(),
        "not_after": record.not_after.to_string(),
        "days_left": expiry::days_left(record.not_after, now),
        "state": record.state(now),
        "revoked_at": record.revoked.as_ref().map(|it| it.at.to_string()),
        "reason": record.revoked.as_ref().map(|it| it.reason),
    })
}
