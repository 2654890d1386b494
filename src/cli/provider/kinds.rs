//! `otpost provider kinds`: what each kind of provider can do. It needs no configuration.

use std::process::ExitCode;

use crate::channel::{KindReport, kinds};
use crate::cli::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  otpost provider kinds --json")]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let kinds: Vec<KindReport> = kinds().collect();
    if args.json {
        output::json(&kinds)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = kinds.iter().map(row).collect();
    let head = ["KIND", "CHANNEL", "VALIDITY", "REPEATED REQUEST", "RECEIPTS"];
    output::line(output::table(&head, &rows).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

fn row(report: &KindReport) -> Vec<String> {
    let KindReport { kind, channel, capabilities } = report;
    let texts = [
        *kind,
        channel.map_or("any", |channel| channel.name()),
        capabilities.validity,
        capabilities.repeat.text(),
        capabilities.receipts,
    ];
    texts.map(|text| text.replace('`', "")).into()
}
