//! `otpost delivery list`: one line per delivery.

use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;
use strum::IntoEnumIterator;

use super::{as_json, state};
use crate::cli::config_file::ConfigFile;
use crate::cli::{Usage, output};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::delivery::DeliveryState;
use crate::domain::notification::Kind;
use crate::store::Store;
use crate::store::reports::{DeliveryFilter, DeliveryLine};

const EXAMPLES: &str = "\
Examples:
  otpost delivery list --kind otp --state undeliverable --limit 50
  otpost delivery list --recipient-hash 5f3a0c8e9b7d41d2a6c4e1f09b8d7a36 --since 2h";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only deliveries in this state
    #[arg(long, value_parser = states())]
    state: Option<DeliveryState>,
    /// Only deliveries of this kind of notification
    #[arg(long, value_parser = kinds())]
    kind: Option<Kind>,
    /// Only deliveries to the recipient that an alarm in the log names by this recipient_hash
    #[arg(long, value_name = "HASH", conflicts_with_all = ["state", "kind"])]
    recipient_hash: Option<String>,
    /// How far back to look for deliveries to a recipient
    #[arg(long, value_name = "DURATION", default_value = "24h", requires = "recipient_hash")]
    since: jiff::SignedDuration,
    /// Number of deliveries at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn states() -> impl TypedValueParser<Value = DeliveryState> {
    let known = PossibleValuesParser::new(DeliveryState::iter().map(DeliveryState::name));
    known.try_map(|name| DeliveryState::from_name(&name).ok_or("unknown state"))
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::name)).try_map(|name| name.parse::<Kind>())
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = args.config.read_store().await?;
    let lines = lines(args, &store).await;
    store.close().await?;
    let lines = lines?;
    if args.json {
        output::json(&json!({ "deliveries": lines.iter().map(as_json).collect::<Vec<_>>() }))?;
    } else if lines.is_empty() {
        output::line("no deliveries")?;
    } else {
        let head = ["RECEIVED", "ID", "KIND", "STATE", "ATTEMPTS", "LAST ATTEMPT"];
        let rows: Vec<_> = lines.iter().map(row).collect();
        output::line(output::table(&head, &rows).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn lines(args: &Args, store: &Store) -> anyhow::Result<Vec<DeliveryLine>> {
    let mut filter = DeliveryFilter { state: args.state, kind: args.kind, ..DeliveryFilter::newest(args.limit) };
    if let Some(hash) = &args.recipient_hash {
        let expected = "--recipient-hash: expected 32 hexadecimal digits, as the log shows them in recipient_hash";
        filter.recipient = Some(store.recipient_of(hash)?.ok_or_else(|| Usage(expected.to_owned()))?);
        filter.since = Some(SystemClock.now().before(args.since.unsigned_abs()));
    }
    Ok(store.reports().deliveries(&filter).await?)
}

fn row(line: &DeliveryLine) -> Vec<String> {
    vec![
        line.received_at.to_string(),
        line.id.to_string(),
        line.kind.clone(),
        state(line),
        line.attempts.to_string(),
        line.last.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}
