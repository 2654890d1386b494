//! `otpost report rebuild`: the counts of reports against a recount of all deliveries.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::progress_bar::progress_bar;
use crate::cli::{ConfigFile, output};
use crate::flow::tasks::report_keeper::{Recount, recount};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = args.config.open_store().await?;
    let bar = progress_bar(None, "{human_pos} deliveries compared, {per_sec}");
    let found = recount(&store, |deliveries| bar.set_position(deliveries)).await;
    bar.finish_and_clear();
    store.close().await?;
    let Recount { deliveries, wrong_deliveries, counts, wrong_counts } = found?;
    let is_right = wrong_deliveries == 0 && wrong_counts == 0;
    if args.json {
        output::json(&json!({
            "deliveries": deliveries,
            "wrong_deliveries": wrong_deliveries,
            "counts": counts,
            "wrong_counts": wrong_counts,
        }))?;
    } else if is_right {
        output::line(format_args!("{deliveries} deliveries and {counts} counts are equal to a recount"))?;
    } else {
        output::line(format_args!(
            "{deliveries} deliveries and {counts} counts compared; repaired: {wrong_deliveries} deliveries, {wrong_counts} counts"
        ))?;
    }
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
