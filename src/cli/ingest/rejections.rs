//! `otpost ingest rejections`: one line for each client, reason and field of a minute, as the audit log has it.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::config_file::ConfigFile;
use crate::cli::output;
use crate::store::reports::EventLine;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  otpost ingest rejections --limit 50\n\n\
    A rejected notification is lost: the processor does not send it again. The same rejection is listed once a minute, with\n\
    its count.")]
pub(crate) struct Args {
    /// Number of lines at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A line of the list.
struct RejectionRow {
    at: String,
    client: String,
    detail: Value,
}

impl RejectionRow {
    fn of(event: &EventLine) -> Self {
        let client = event.actor.strip_prefix("client:").unwrap_or(&event.actor).to_owned();
        let detail = serde_json::from_str(&event.detail).unwrap_or_default();
        Self { at: event.at.to_string(), client, detail }
    }

    fn text(&self, key: &str) -> String {
        match &self.detail[key] {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    fn row(&self) -> Vec<String> {
        let of_detail = ["kind", "status", "reason", "field", "count", "detail"].map(|key| self.text(key));
        [self.at.clone(), self.client.clone()].into_iter().chain(of_detail).collect()
    }

    fn as_json(&self) -> Value {
        let detail = &self.detail;
        json!({
            "at": self.at,
            "client": self.client,
            "kind": detail["kind"],
            "status": detail["status"],
            "reason": detail["reason"],
            "field": detail["field"],
            "detail": detail["detail"],
            "count": detail["count"],
        })
    }
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = args.config.open_store().await?;
    let events = store.reports().rejections(args.limit).await?;
    store.close().await?;
    let rejections: Vec<_> = events.iter().map(RejectionRow::of).collect();
    if args.json {
        output::json(&json!({ "rejections": rejections.iter().map(RejectionRow::as_json).collect::<Vec<_>>() }))?;
    } else if rejections.is_empty() {
        output::line("no rejections")?;
    } else {
        let head = ["AT", "CLIENT", "KIND", "STATUS", "REASON", "FIELD", "COUNT", "DETAIL"];
        let rows: Vec<_> = rejections.iter().map(RejectionRow::row).collect();
        output::line(output::table(&head, &rows).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}
