//! `otpost delivery list`: one line per delivery.

use std::process::ExitCode;

use super::filter_args::FilterArgs;
use crate::channel;
use crate::cli::config_file::{ConfigFile, read_store};
use crate::cli::remote::{RemoteError, RemoteGateway, ServerArgs};
use crate::cli::{Usage, output, time};
use crate::config::Config;
use crate::flow::deliveries::csv;
use crate::flow::deliveries::listing::{DeliveryList, DeliverySummary};
use crate::flow::deliveries::query::{DeliveryQuery, LINES, LINES_MAX, QueryError};
use crate::store::reports::DeliveryPage;

const EXAMPLES: &str = "\
Examples:
  otpost delivery list --recipient storage_customer:1337 --from 7d
  otpost delivery list --contact +48600100200
  otpost delivery list --kind otp --state undeliverable --from yesterday --limit 50
  otpost delivery list --provider sms-primary --country DE --from 2026-11-01 --to 2026-11-08 --csv";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    search: FilterArgs,
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    server: ServerArgs,
    /// Print JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV
    #[arg(long)]
    csv: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let query = args.search.query(&time::now())?;
    let list = read(args, &query).await?;
    if args.json {
        output::json(&list)?;
        return Ok(ExitCode::SUCCESS);
    }
    let is_full = list.deliveries.len() >= query.limit.unwrap_or_default() as usize;
    if args.csv {
        output::line((csv::head() + &csv::rows(&list.deliveries)).trim_end_matches('\n'))?;
        how_to_go_on(&list, is_full).iter().for_each(output::note);
        return Ok(ExitCode::SUCCESS);
    }
    if list.deliveries.is_empty() {
        output::line("no deliveries")?;
    } else {
        let head = ["RECEIVED", "ID", "KIND", "STATE", "ATTEMPTS", "LAST ATTEMPT"];
        let rows: Vec<_> = list.deliveries.iter().map(row).collect();
        output::line(output::table(&head, &rows).trim_end())?;
    }
    how_to_go_on(&list, is_full).iter().try_for_each(output::line)?;
    Ok(ExitCode::SUCCESS)
}

// Page by page, as large as the gateway allows.
async fn ask(remote: &RemoteGateway, query: &DeliveryQuery) -> anyhow::Result<DeliveryList> {
    let mut left = query.limit.unwrap_or(LINES);
    let mut page = DeliveryQuery { limit: Some(left.min(LINES_MAX)), ..query.clone() };
    let mut all: Option<DeliveryList> = None;
    loop {
        let list: DeliveryList = remote.post(&["deliveries", "search"], &page).await.map_err(explained)?;
        left = left.saturating_sub(u32::try_from(list.deliveries.len()).unwrap_or(left));
        let (is_full, next) = (list.looked_back_to.is_none(), list.next);
        let before = all.map(|all| all.deliveries).unwrap_or_default();
        let whole = DeliveryList { deliveries: before.into_iter().chain(list.deliveries).collect(), ..list };
        match next {
            Some(next) if is_full && left > 0 => {
                page = DeliveryQuery { before: Some(next.to_string()), limit: Some(left.min(LINES_MAX)), ..page };
                all = Some(whole);
            }
            _ => return Ok(whole),
        }
    }
}

fn explained(error: RemoteError) -> anyhow::Error {
    match error {
        RemoteError::Field { field: Some(field), problem, .. } => FilterArgs::explain(&field, &problem).into(),
        error => error.explained(),
    }
}

async fn read(args: &Args, query: &DeliveryQuery) -> anyhow::Result<DeliveryList> {
    if let Some(remote) = args.server.remote()? {
        return ask(&remote, query).await;
    }
    let config = args.config.load()?;
    let store = read_store(&config).await?;
    let filter = query.filter(&store, &time::now()).await;
    let page = match &filter {
        Ok(filter) => store.reports().deliveries(filter).await.map_err(anyhow::Error::from),
        Err(_) => Ok(DeliveryPage { lines: Vec::new(), next: None, unindexed: 0 }),
    };
    store.close().await?;
    let filter = filter.map_err(|error| match error {
        QueryError::Field(field) => FilterArgs::explain(field.name, &field.problem).into(),
        QueryError::Store(error) => anyhow::Error::from(error),
    })?;
    let page = page?;
    if page.lines.is_empty() {
        known_provider(args.search.provider.as_deref(), &config)?;
    }
    Ok(DeliveryList::of(&page, filter.limit))
}

// A provider that was removed from the configuration may have deliveries.
fn known_provider(name: Option<&str>, config: &Config) -> Result<(), Usage> {
    let known: Vec<_> = config.provider.iter().map(channel::Settings::name).collect();
    match name {
        Some(name) if !known.contains(&name) => {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Err(Usage(format!(
                "--provider: no delivery was found, and no provider {name} is in the configuration; configured: {known}"
            )))
        }
        _ => Ok(()),
    }
}

fn how_to_go_on(list: &DeliveryList, is_full: bool) -> Vec<String> {
    let more = list.next.map(|id| match &list.looked_back_to {
        Some(time) if !is_full => format!("the search came back to {time}: go on with --before {id}"),
        _ => format!("there may be more: repeat with --before {id}"),
    });
    let unindexed = (list.unindexed_events > 0).then(|| {
        let events = list.unindexed_events;
        format!("the search index is being built: {events} audit events are left, whose deliveries may be missing here")
    });
    more.into_iter().chain(unindexed).collect()
}

fn row(line: &DeliverySummary) -> Vec<String> {
    vec![
        line.received_at.clone(),
        line.id.to_string(),
        line.kind.clone(),
        line.state(),
        line.attempts.to_string(),
        line.last_attempt.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}
