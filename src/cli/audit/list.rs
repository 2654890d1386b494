//! `otpost audit list`: what operators and the gateway did, newest first.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};
use strum::IntoEnumIterator;

use crate::cli::{ConfigFile, Usage, output, time};
use crate::domain::audit_event::AuditKind;
use crate::domain::written::time::parse;
use crate::store::audit_events::{EventFilter, EventScope};
use crate::store::reports::EventLine;

const PAGE: u32 = 500;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  otpost audit list --from 24h\n  otpost audit list --kind provider_drained --json")]
pub(crate) struct Args {
    /// Only events since this time
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only events before this time
    #[arg(long, value_name = "TIME", default_value = "now")]
    to: String,
    /// Only events of this kind
    #[arg(long, value_parser = kinds())]
    kind: Option<String>,
    /// Number of events at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn kinds() -> PossibleValuesParser {
    PossibleValuesParser::new(AuditKind::iter().map(AuditKind::name))
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let now = time::now();
    let to = parse(&args.to, &now).map_err(Usage)?;
    let from = args.from.as_deref().map(|from| time::range(from, &args.to, &now)).transpose().map_err(Usage)?;
    let store = args.config.open_store().await?;
    let (mut found, mut before) = (Vec::new(), Some(i64::MAX));
    while let Some(older) = before.filter(|_| found.len() < args.limit as usize) {
        let filter =
            EventFilter { before: older, kind: args.kind.clone(), ..EventFilter::newest(EventScope::Operations, PAGE) };
        let page = store.audit_events().find(&filter).await?;
        let is_over = page.events.last().is_some_and(|last| from.is_some_and(|(from, _)| last.line.at < from));
        let in_range = |event: &EventLine| event.at < to && from.is_none_or(|(from, _)| event.at >= from);
        found.extend(page.events.into_iter().map(|event| event.line).filter(in_range));
        before = page.next.filter(|_| !is_over);
    }
    let archived = store.audit_archives().archives().await?.pop();
    store.close().await?;
    found.truncate(args.limit as usize);
    if args.json {
        output::json(&json!({ "events": found.iter().map(as_json).collect::<Vec<_>>() }))?;
    } else if found.is_empty() {
        output::line("no events")?;
    } else {
        let rows: Vec<_> = found.iter().map(row).collect();
        output::line(output::table(&["INDEX", "TIME", "ACTOR", "KIND", "DETAIL"], &rows).trim_end())?;
    }
    if let Some(archived) =
        archived.filter(|it| found.len() < args.limit as usize && from.is_none_or(|(from, _)| from <= it.to))
    {
        output::note(format_args!("note: events until {} are archived and not listed", archived.to));
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(event: &EventLine) -> Value {
    let detail: Value = serde_json::from_str(&event.detail).unwrap_or(Value::Null);
    json!({
        "index": event.seq - 1,
        "at": event.at.to_string(),
        "actor": event.actor,
        "kind": event.kind,
        "detail": detail,
    })
}

fn row(event: &EventLine) -> Vec<String> {
    let detail = match serde_json::from_str::<Value>(&event.detail) {
        Ok(Value::Object(detail)) => detail.iter().map(|(key, value)| format!("{key}={}", plain(value))).collect(),
        _ => Vec::new(),
    };
    vec![(event.seq - 1).to_string(), event.at.to_string(), event.actor.clone(), event.kind.clone(), detail.join(" ")]
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
