//! `otpost delivery list`: one line per delivery.

use std::process::ExitCode;

use serde_json::json;

use super::filter_args::FilterArgs;
use crate::channel;
use crate::cli::config_file::{ConfigFile, read_store};
use crate::cli::{Usage, output, time};
use crate::config::Config;
use crate::flow::deliveries::{as_json, csv, state};
use crate::store::reports::{DeliveryLine, DeliveryPage};
use crate::store::search::time_of;

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
    /// Print JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV
    #[arg(long)]
    csv: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let store = read_store(&config).await?;
    let filter = args.search.filter(&store, &time::now()).await;
    let page = match &filter {
        Ok(filter) => store.reports().deliveries(filter).await.map_err(anyhow::Error::from),
        Err(_) => Ok(DeliveryPage { lines: Vec::new(), next: None, unindexed: 0 }),
    };
    store.close().await?;
    let (filter, page) = (filter?, page?);
    if page.lines.is_empty() {
        known_provider(args.search.provider.as_deref(), &config)?;
    }
    let is_full = page.lines.len() >= filter.limit as usize;
    if args.json {
        output::json(&json!({
            "deliveries": page.lines.iter().map(as_json).collect::<Vec<_>>(),
            "next": page.next,
            "looked_back_to": page.next.filter(|_| !is_full).map(|id| time_of(id).to_string()),
            "unindexed_events": page.unindexed,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.csv {
        output::line((csv::head() + &csv::rows(&page.lines)).trim_end_matches('\n'))?;
        how_to_go_on(&page, is_full).iter().for_each(output::note);
        return Ok(ExitCode::SUCCESS);
    }
    if page.lines.is_empty() {
        output::line("no deliveries")?;
    } else {
        let head = ["RECEIVED", "ID", "KIND", "STATE", "ATTEMPTS", "LAST ATTEMPT"];
        let rows: Vec<_> = page.lines.iter().map(row).collect();
        output::line(output::table(&head, &rows).trim_end())?;
    }
    how_to_go_on(&page, is_full).iter().try_for_each(output::line)?;
    Ok(ExitCode::SUCCESS)
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

fn how_to_go_on(page: &DeliveryPage, is_full: bool) -> Vec<String> {
    let more = page.next.map(|id| {
        if is_full {
            format!("there may be more: repeat with --before {id}")
        } else {
            format!("the search came back to {}: go on with --before {id}", time_of(id))
        }
    });
    let unindexed = (page.unindexed > 0).then(|| {
        let events = page.unindexed;
        format!("the search index is being built: {events} audit events are left, whose deliveries may be missing here")
    });
    more.into_iter().chain(unindexed).collect()
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
