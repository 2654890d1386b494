//! `otpost bench`: measures the gateway on this machine, beside what the machine can do with less to do.
//!
//! Gateway, providers and the bare server are processes of their own, so that processor time and memory are told
//! apart; the processor's side is this process. All of it talks over loopback, ends with this command, and leaves
//! nothing behind. It judges only what its own runs show.

mod bare;
mod child;
mod decrypt;
mod figures;
mod gauge;
mod limits;
mod mail;
mod measure;
mod meter;
mod render;
mod rows;
mod sink;
mod site;
mod stored;
mod table;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::output;
use figures::Figures;
use measure::Bench;
use rows::{Place, ROUND, Row};
use sink::Sink;
use site::Site;

pub(super) use bare::run as run_bare;

/// A quick look: good for finding out whether something is badly wrong, not for comparing.
const QUICK: (u64, u32, u32) = (3, 1, 100_000);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder on a disk to work in; everything made there is removed at the end
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The same in memory
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    tmpfs: PathBuf,
    /// How long each row is measured
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How often the whole round is repeated
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Notifications in the database of the row `stored`
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=20_000_000))]
    stored: u32,
    /// Only these rows, with commas between
    #[arg(long, value_name = "ROWS", value_enum, value_delimiter = ',')]
    only: Vec<Row>,
    /// One run of 3 seconds a row, 100,000 stored: a first look
    #[arg(long, conflicts_with_all = ["seconds", "runs", "stored"])]
    quick: bool,
    /// Print every figure of every run as JSON
    #[arg(long)]
    json: bool,
}

/// Measures, prints, and fails when anything was lost or came twice.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut terminated = signal(SignalKind::terminate())?;
    let (seconds, runs, stored) = if args.quick { QUICK } else { (args.seconds, args.runs, args.stored) };
    let figures = tokio::select! {
        figures = measure(&args, seconds, runs, stored) => figures?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            bail!("interrupted; nothing was left behind")
        }
        _ = terminated.recv() => bail!("told to stop; nothing was left behind"),
    };
    if args.json {
        let settings = json!({ "seconds": seconds, "runs": runs, "stored": stored });
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        output::json(
            &json!({ "version": env!("CARGO_PKG_VERSION"), "cores": cores, "settings": settings, "figures": figures }),
        )?;
    } else {
        print(&figures, seconds, runs, stored)?;
    }
    Ok(if figures.losses.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(args: &Args, seconds: u64, runs: u32, stored: u32) -> anyhow::Result<Figures> {
    let wanted: Vec<_> = ROUND.into_iter().filter(|(row, _)| args.only.is_empty() || args.only.contains(row)).collect();
    let needs = |place| wanted.iter().any(|(_, at)| *at == place);
    let fills = wanted.iter().any(|(row, _)| *row == Row::Stored);
    let bar = progress_bar(u64::from(runs) * wanted.len() as u64);
    bar.set_message("workspaces");
    let sink = Sink::start().await?;
    let mut sites = Vec::new();
    if needs(Place::Disk) || wanted.iter().any(|(row, _)| *row == Row::Bare) {
        let room = if fills { stored } else { 0 };
        sites.push((Place::Disk, Site::make(Place::Disk, &args.dir, &sink.sms_url(), room).await?));
    }
    if needs(Place::Tmpfs) {
        sites.push((Place::Tmpfs, Site::make(Place::Tmpfs, &args.tmpfs, &sink.sms_url(), 0).await?));
    }
    if let (true, Some((_, disk))) = (fills, sites.first_mut()) {
        disk.store(stored, |done| bar.set_message(format!("{done} of {stored} stored"))).await?;
    }
    let mut bench = Bench { sink, sites, span: Duration::from_secs(seconds), figures: Figures::default() };
    for run in 1..=runs {
        for (row, place) in &wanted {
            bar.set_message(format!("run {run} of {runs}: {} ({})", row.name(), place.name()));
            bench.run(*row, *place).await?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(bench.figures)
}

fn print(figures: &Figures, seconds: u64, runs: u32, stored: u32) -> anyhow::Result<()> {
    output::line(format_args!("{runs} runs of {seconds} s a row in turns, median [lowest-highest]; {stored} stored"))?;
    output::line("")?;
    output::line(table::table(figures))?;
    output::line(
        "The bare pipeline is a minimal program of the same shape and no part of otpost: to judge those lines,",
    )?;
    output::line("measure it on this machine in turns with this. Machines that do other work give other figures.")?;
    if cfg!(debug_assertions) {
        output::line("note: this is a debug build; its figures say nothing about a release")?;
    }
    for remark in &figures.remarks {
        output::line(format_args!("note: {remark}"))?;
    }
    for loss in &figures.losses {
        output::line(format_args!("LOST OR TWICE: {loss}"))?;
    }
    Ok(())
}

fn progress_bar(steps: u64) -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(steps), target);
    match ProgressStyle::with_template("{elapsed:>4} {wide_bar} {pos}/{len} {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
