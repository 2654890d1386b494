//! `otpost node list`: each node as the database saw it last.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::config_file::ConfigFile;
use crate::cli::output;
use crate::domain::clock::Timestamp;
use crate::store::nodes::{GatewayNode, SILENT_AFTER};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  otpost node list\n\n\
    A node whose clock is more than a second from that of the database takes over no deliveries of other nodes.")]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = args.config.read_store().await?;
    let (nodes, now) = (store.nodes().nodes().await?, store.nodes().database_time().await?);
    store.close().await?;
    let now = now.unwrap_or(Timestamp::from_micros(0));
    if args.json {
        output::json(&json!({ "nodes": nodes.iter().map(|node| as_json(node, now)).collect::<Vec<_>>() }))?;
    } else if nodes.is_empty() {
        output::line(
            "no nodes: a database in a file has one gateway, and a shared one lists a gateway a second after its start",
        )?;
    } else {
        let rows: Vec<_> = nodes.iter().map(|node| row(node, now)).collect();
        let head = ["NODE", "STATE", "VERSION", "SCHEMA", "STARTED", "SEEN", "CLOCK OFFSET MS", "ID"];
        output::line(output::table(&head, &rows).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn state(node: &GatewayNode, now: Timestamp) -> &'static str {
    match (now.since(node.seen_at) < SILENT_AFTER, node.has_right_clock()) {
        (false, _) => "silent",
        (true, false) => "wrong clock",
        (true, true) => "alive",
    }
}

fn row(node: &GatewayNode, now: Timestamp) -> Vec<String> {
    vec![
        node.name.clone(),
        state(node, now).to_owned(),
        node.version.clone(),
        node.schema.to_string(),
        node.started_at.to_string(),
        node.seen_at.to_string(),
        (node.clock_offset_us / 1000).to_string(),
        node.id.to_string(),
    ]
}

fn as_json(node: &GatewayNode, now: Timestamp) -> serde_json::Value {
    json!({
        "id": node.id,
        "name": node.name,
        "state": state(node, now),
        "version": node.version,
        "schema": node.schema,
        "started_at": node.started_at.to_string(),
        "seen_at": node.seen_at.to_string(),
        "clock_offset_us": node.clock_offset_us,
    })
}
