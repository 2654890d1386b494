//! `otpost audit list`: what operators and the gateway did, newest first.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use serde_json::Value;
use strum::IntoEnumIterator;

use crate::cli::remote::{RemoteError, ServerArgs};
use crate::cli::{ConfigFile, Usage, output, time};
use crate::domain::audit_event::AuditKind;
use crate::domain::written::time::parse;
use crate::flow::audit_list::{EventList, EventQuery, EventSummary, LIMIT_MAX};

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
    #[command(flatten)]
    server: ServerArgs,
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
    let from = from.map(|(from, _)| from.to_jiff().to_string());
    let query = EventQuery {
        kind: args.kind.clone(),
        from: from.clone(),
        to: Some(to.to_jiff().to_string()),
        ..EventQuery::default()
    };
    let list = if let Some(remote) = args.server.remote()? {
        let page = async |query: EventQuery| {
            remote.get::<EventList>(&["audit", "events"], &query).await.map_err(RemoteError::explained)
        };
        read(args.limit, query, page).await?
    } else {
        let store = args.config.open_store().await?;
        let page = async |query: EventQuery| Ok(EventList::read(&store, &query, &now).await?);
        let list = read(args.limit, query, page).await;
        store.close().await?;
        list?
    };
    if args.json {
        output::json(&list)?;
    } else if list.events.is_empty() {
        output::line("no events")?;
    } else {
        let rows: Vec<_> = list.events.iter().map(row).collect();
        output::line(output::table(&["INDEX", "TIME", "ACTOR", "KIND", "DETAIL"], &rows).trim_end())?;
    }
    let is_short = list.events.len() < args.limit as usize;
    if let Some(until) = list.archived_until.filter(|until| is_short && from.is_none_or(|from| from <= *until)) {
        output::note(format_args!("note: events until {until} are archived and not listed"));
    }
    Ok(ExitCode::SUCCESS)
}

// Page by page, until the limit or the end.
async fn read(
    limit: u32,
    query: EventQuery,
    page: impl AsyncFn(EventQuery) -> anyhow::Result<EventList>,
) -> anyhow::Result<EventList> {
    let mut whole = EventList { events: Vec::new(), next: None, archived_until: None };
    let mut before = None;
    loop {
        let left = limit.saturating_sub(u32::try_from(whole.events.len()).unwrap_or(limit));
        let next = page(EventQuery { before, limit: Some(left.min(LIMIT_MAX)), ..query.clone() }).await?;
        whole.events.extend(next.events);
        (whole.next, whole.archived_until) = (next.next, next.archived_until);
        before = next.next;
        if before.is_none() || whole.events.len() >= limit as usize {
            return Ok(whole);
        }
    }
}

fn row(event: &EventSummary) -> Vec<String> {
    let detail: Vec<_> = event.detail.iter().map(|(key, value)| format!("{key}={}", plain(value))).collect();
    vec![event.index.to_string(), event.at.clone(), event.actor.clone(), event.kind.clone(), detail.join(" ")]
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
