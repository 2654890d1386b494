//! `otpost config show` and `otpost config diff`: the values in effect and where each comes from, and how those of the running gateway
//! differ. Secrets are never shown.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::json;

use super::config_file::{ConfigFile, read_store, with_live_routing};
use super::{Usage, local_gateway, output};
use crate::config::{Config, ValueOrigin};
use crate::flow::inspector::{Answer, Question};
use crate::flow::routing_publishing::RoutingSource;

/// What stands for a secret that is written in the file.
const HIDDEN: &str = "***";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show every value in effect, and whether it comes from the file, the environment, the database or the defaults
    Show(Args),
    /// Compare the values of the running gateway with those of the file
    Diff(Args),
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Show(args) => show(&args).await,
        Command::Diff(args) => diff(&args).await,
    }
}

async fn show(args: &Args) -> anyhow::Result<ExitCode> {
    let config = live(args).await?;
    let is_in_database = |key: &str| {
        config.routing.source == RoutingSource::Console
            && ["plan.", "limits.", "provider["].iter().any(|section| key.starts_with(section))
    };
    let values = config.values().into_iter().map(|it| {
        let origin =
            if is_in_database(&it.key) && it.origin != ValueOrigin::Default { "database" } else { it.origin.name() };
        (it.key, it.shown.unwrap_or_else(|| HIDDEN.to_owned()), origin)
    });
    if args.json {
        let values: Vec<_> =
            values.map(|(key, value, origin)| json!({ "key": key, "value": value, "origin": origin })).collect();
        output::json(&json!({ "values": values }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for (key, value, origin) in values {
        output::line(format_args!("{key} = {value}    ({origin})"))?;
    }
    Ok(ExitCode::SUCCESS)
}

// Without a database there are no texts of the console yet.
async fn live(args: &Args) -> anyhow::Result<Config> {
    let config = args.config.load()?;
    if config.routing.source == RoutingSource::Files {
        return Ok(config);
    }
    let store = read_store(&config).await?;
    let live = with_live_routing(config, &store).await;
    store.close().await?;
    live
}

async fn diff(args: &Args) -> anyhow::Result<ExitCode> {
    let config = live(args).await?;
    let Answer::Config { values, pending } = local_gateway::ask_running(&config, &Question::Config).await? else {
        return Err(Usage("the running gateway does not know the question".to_owned()).into());
    };
    let of_file: BTreeMap<String, String> =
        config.values().into_iter().filter_map(|it| Some((it.key, it.shown?))).collect();
    let keys = values.keys().chain(of_file.keys().filter(|key| !values.contains_key(*key)));
    let differ = keys.filter(|key| values.get(*key) != of_file.get(*key));
    let shown =
        |values: &BTreeMap<String, String>, key: &str| values.get(key).cloned().unwrap_or_else(|| "default".to_owned());
    let differences: Vec<_> =
        differ.map(|key| json!({ "key": key, "running": shown(&values, key), "file": shown(&of_file, key) })).collect();
    if args.json {
        output::json(&json!({ "differences": differences, "needs_restart": pending }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for it in &differences {
        let text = |field: &str| it[field].as_str().unwrap_or_default().to_owned();
        output::line(format_args!("{}: running {}, file {}", text("key"), text("running"), text("file")))?;
    }
    for change in &pending {
        output::line(format_args!("needs a restart: {change}"))?;
    }
    if differences.is_empty() && pending.is_empty() {
        output::line("the running gateway uses what the file says")?;
    }
    output::note("secrets are not compared");
    Ok(ExitCode::SUCCESS)
}
