//! `otpost report`: what was delivered, how fast, why not, and what it cost; and dossiers of disputes.

mod dispute;
mod rebuild;
mod target;

use std::process::ExitCode;

use indicatif::ProgressBar;
use serde_json::json;

use super::progress_bar::progress_bar;
use super::remote::{RemoteError, RemoteGateway, ServerArgs};
use super::{ConfigFile, Usage, config_file, remote_export, time};
use crate::flow::report_export::DELIVERIES;
use crate::flow::reporting::{self, Period, ReportRequest};
use crate::report::columns::SummedReport;
use crate::report::format::ReportFormat;
use crate::report::writer::ReportWriter;
use crate::store::Store;
use target::{ReportTarget, TargetArgs, WholeTarget};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// States, times and failures by kind of notification
    Summary(Args),
    /// Attempts, times, failures and costs by provider and country
    Providers(Args),
    /// Deliveries by locale, kind, channel and template version
    Locales(Args),
    /// Messages, segments and costs by currency and provider
    Costs(Args),
    /// A row for each attempt, and one for each delivery without any
    Deliveries(Args),
    /// Make a dossier of what is recorded about deliveries, with proofs, to hand to a bank
    Dispute(dispute::Args),
    /// Compare the counts with a recount of all deliveries, and repair them
    Rebuild(rebuild::Args),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  otpost report summary --from 2026-11-01 --to 2026-12-01 --by day
  otpost report costs --from 2026-11-01 --to 2026-12-01 --format xlsx --out november.xlsx
  otpost report deliveries --from yesterday --to today --format csv-raw | gzip >yesterday.csv.gz

otpost help reports defines every column.")]
pub(super) struct Args {
    /// Notifications received since this time; counts are of whole hours
    #[arg(long, value_name = "TIME", default_value = "today")]
    from: String,
    /// Notifications received before this time
    #[arg(long, value_name = "TIME", default_value = "now")]
    to: String,
    /// Divide rows by hour, day or month
    #[arg(long, value_parser = period)]
    by: Option<Period>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Summary(args) => write(&args, Some(SummedReport::Summary)).await,
        Command::Providers(args) => write(&args, Some(SummedReport::Providers)).await,
        Command::Locales(args) => write(&args, Some(SummedReport::Locales)).await,
        Command::Costs(args) => write(&args, Some(SummedReport::Costs)).await,
        Command::Deliveries(args) => write(&args, None).await,
        Command::Dispute(args) => dispute::run(&args).await,
        Command::Rebuild(args) => rebuild::run(&args).await,
    }
}

// Without a report that sums, the rows of all deliveries.
async fn write(args: &Args, summed: Option<SummedReport>) -> anyhow::Result<ExitCode> {
    let request = request(args, summed)?;
    if let Some(remote) = args.server.remote()? {
        return ask(&remote, args, summed, &request).await;
    }
    let config = args.config.load()?;
    let mut target = ReportTarget::open(&args.target)?;
    let store = config_file::read_store(&config).await?;
    let bar = bar(&args.target);
    let written = rows(&store, summed, &request, target.writer(), &bar).await;
    bar.finish_and_clear();
    store.close().await?;
    match written {
        Ok(()) => target.finish()?,
        Err(reporting::Error::Write(error)) => return Err(target.explain(error)),
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}

// The gateway writes the report, in the form that is asked for: at once, or as a file when it may be long or is a spreadsheet.
async fn ask(
    remote: &RemoteGateway,
    args: &Args,
    summed: Option<SummedReport>,
    request: &ReportRequest,
) -> anyhow::Result<ExitCode> {
    let mut order = json!({
        "from": request.from.to_jiff().to_string(),
        "to": request.to.to_jiff().to_string(),
        "by": args.by.map(|by| match by {
            Period::Hour => "hour",
            Period::Day => "day",
            Period::Month => "month",
        }),
        "zone": request.zone.iana_name(),
        "format": args.target.format_name(),
    });
    if let Some(report) = summed.filter(|_| args.target.is_plain()) {
        let text = remote.get_text(&["reports", report.name()], &order).await.map_err(RemoteError::explained)?;
        args.target.write_whole(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    order["report"] = summed.map_or(DELIVERIES, SummedReport::name).into();
    order["delimiter"] = args.target.delimiter.to_string().into();
    order["bom"] = args.target.bom.into();
    let mut target = WholeTarget::open(&args.target)?;
    remote_export::fetch(remote, "reports", &order, target.writer()).await.map_err(|error| target.explain(error))?;
    target.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn request(args: &Args, summed: Option<SummedReport>) -> anyhow::Result<ReportRequest> {
    let now = time::now();
    let (from, to) = time::range(&args.from, &args.to, &now).map_err(Usage)?;
    if summed.is_none() && args.by.is_some() {
        return Err(
            Usage("--by divides sums; otpost report deliveries has the time of each delivery".to_owned()).into()
        );
    }
    Ok(ReportRequest { from, to, by: args.by, zone: now.time_zone().clone() })
}

async fn rows(
    store: &Store,
    summed: Option<SummedReport>,
    request: &ReportRequest,
    to: &mut (dyn ReportWriter + Send),
    bar: &ProgressBar,
) -> Result<(), reporting::Error> {
    let progress = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    match summed {
        Some(report) => reporting::summed(store, report, request, to, &progress).await,
        None => reporting::deliveries(store, request, to, &progress).await,
    }
}

// Rows on a terminal show themselves how far they are.
fn bar(target: &TargetArgs) -> ProgressBar {
    if target.is_shown() {
        return ProgressBar::hidden();
    }
    progress_bar(None, "{bar:40} {human_pos} of {human_len} hours, {eta} left")
}

fn period(text: &str) -> Result<Period, String> {
    match text {
        "hour" => Ok(Period::Hour),
        "day" => Ok(Period::Day),
        "month" => Ok(Period::Month),
        _ => Err("expected hour, day or month".to_owned()),
    }
}

fn format(text: &str) -> Result<ReportFormat, String> {
    text.parse().map_err(|_| format!("expected {}", ReportFormat::NAMES))
}
