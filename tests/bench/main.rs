//! `cargo bench`: measures throughput, latency, CPU and memory of the gateway on this machine.
//!
//! The gateway, the mock providers and the baseline server are separate processes, so that their CPU time and memory
//! can be told apart. The load generator is this process. Everything runs over loopback, and nothing is left behind.
//! Each result is compared only with results of the same run.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the benchmark reports to the terminal")]

mod baseline;
mod child;
mod cpu_timer;
mod decrypt;
mod limits;
mod mail;
mod measure;
mod mock_providers;
mod pages;
mod proc_stats;
mod render;
mod reports;
mod results;
mod scenarios;
mod search;
mod smpp;
mod stored;
mod table;
mod workspace;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use measure::Bench;
use mock_providers::MockProviders;
use results::Results;
use scenarios::{ROUND, Scenario, Storage};
use workspace::BenchWorkspace;

/// Enough to see whether something is badly wrong; too little to compare two versions.
const QUICK: Parameters = Parameters { seconds: 3, runs: 1, stored: 100_000 };

/// Measures throughput, latency, CPU and memory of the gateway on this machine
#[derive(Debug, Parser)]
#[command(name = "cargo bench --", max_term_width = 110, after_help = scenarios::help())]
struct Args {
    /// Run only the scenarios whose names contain one of these texts
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// Directory on a disk; a temporary directory is created in it and removed at the end
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Directory on a tmpfs, used in the same way
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    tmpfs: PathBuf,
    /// Seconds for which each scenario is measured
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Number of rounds
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Notifications in the database of the scenario `stored`
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=20_000_000))]
    stored: u32,
    /// Deliveries in the database of the scenario `search`
    #[arg(long, value_name = "N", env = "OTPOST_BENCH_ROWS", default_value_t = 1_000_000)]
    rows: u32,
    /// One round of 3 seconds per scenario with 100,000 stored notifications
    #[arg(long, conflicts_with_all = ["seconds", "runs", "stored"])]
    quick: bool,
    /// Measure only reports, over this many deliveries
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1_000..=20_000_000))]
    reports: Option<u32>,
    /// Measure only pages of the console, over this many deliveries
    #[arg(long, value_name = "N", num_args = 0..=1, env = "OTPOST_BENCH_PAGES", default_missing_value = "100000",
        value_parser = clap::value_parser!(u32).range(1_000..=20_000_000))]
    pages: Option<u32>,
    /// Print the results of every run as JSON
    #[arg(long)]
    json: bool,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
    /// Run the baseline server with this configuration file
    #[arg(long, hide = true, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
struct Parameters {
    seconds: u64,
    runs: u32,
    stored: u32,
}

fn main() -> ExitCode {
    match execute(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    // Half of the cores are for the processes that are measured.
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    match &args.baseline {
        Some(config) => runtime.block_on(baseline::run(config)).map(|()| ExitCode::SUCCESS),
        // `cargo test --all-targets` starts benchmarks without this flag.
        None if !args.bench => {
            eprintln!("nothing was measured; run the benchmark with `cargo bench`");
            Ok(ExitCode::SUCCESS)
        }
        None => runtime.block_on(run(args)),
    }
}

/// Fails if a notification was lost or delivered twice.
async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut terminated = signal(SignalKind::terminate())?;
    if args.reports.is_some() || args.pages.is_some() {
        tokio::select! {
            measured = measure_one(args) => measured?,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                bail!("interrupted; temporary files were removed")
            }
            _ = terminated.recv() => bail!("terminated; temporary files were removed"),
        }
        return Ok(ExitCode::SUCCESS);
    }
    let given = Parameters { seconds: args.seconds, runs: args.runs, stored: args.stored };
    let parameters = if args.quick { QUICK } else { given };
    let results = tokio::select! {
        results = measure(args, parameters) => results?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            bail!("interrupted; temporary files were removed")
        }
        _ = terminated.recv() => bail!("terminated; temporary files were removed"),
    };
    if args.json {
        let Parameters { seconds, runs, stored } = parameters;
        let settings = json!({ "seconds": seconds, "runs": runs, "stored": stored });
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let version = env!("CARGO_PKG_VERSION");
        println!("{}", json!({ "version": version, "cores": cores, "settings": settings, "results": results }));
    } else {
        print(&results, parameters);
    }
    Ok(if results.losses.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Only reports, or only pages.
async fn measure_one(args: &Args) -> anyhow::Result<()> {
    let say = |line: String| println!("{line}");
    if let Some(count) = args.reports {
        reports::run(&args.dir, count, say).await?;
    }
    if let Some(count) = args.pages {
        pages::run(&args.dir, count, say).await?;
    }
    Ok(())
}

async fn measure(args: &Args, parameters: Parameters) -> anyhow::Result<Results> {
    let matches = |name: &str| args.filters.is_empty() || args.filters.iter().any(|filter| name.contains(filter));
    let selected: Vec<_> = ROUND.into_iter().filter(|(scenario, _)| matches(scenario.name())).collect();
    ensure!(!selected.is_empty(), "no scenario matches {}; --help lists them", args.filters.join(", "));
    let Parameters { seconds, runs, stored } = parameters;
    let includes = |wanted| selected.iter().any(|(scenario, _)| *scenario == wanted);
    let uses = |wanted| selected.iter().any(|(_, storage)| *storage == wanted);
    let bar = progress_bar(u64::from(runs) * selected.len() as u64);
    bar.set_message("creating workspaces");
    let providers = MockProviders::start().await?;
    let mut workspaces = Vec::new();
    if uses(Storage::Disk) || includes(Scenario::Baseline) {
        let of = |scenario, rows| if includes(scenario) { rows } else { 0 };
        let room = of(Scenario::Stored, stored).saturating_add(of(Scenario::Search, args.rows));
        let disk = BenchWorkspace::create(Storage::Disk, &args.dir, &providers.sms_url(), room).await?;
        workspaces.push((Storage::Disk, disk));
    }
    if uses(Storage::Tmpfs) {
        let tmpfs = BenchWorkspace::create(Storage::Tmpfs, &args.tmpfs, &providers.sms_url(), 0).await?;
        workspaces.push((Storage::Tmpfs, tmpfs));
    }
    if let (true, Some((_, disk))) = (includes(Scenario::Stored), workspaces.first_mut()) {
        disk.store(stored, |done| bar.set_message(format!("{done} of {stored} stored"))).await?;
    }
    let mut bench = Bench {
        providers,
        workspaces,
        span: Duration::from_secs(seconds),
        rows: args.rows,
        results: Results::default(),
    };
    for run in 1..=runs {
        for (scenario, storage) in &selected {
            bar.set_message(format!("run {run} of {runs}: {} ({})", scenario.name(), storage.name()));
            bench.run(*scenario, *storage).await?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(bench.results)
}

fn print(results: &Results, Parameters { seconds, runs, stored }: Parameters) {
    println!("{runs} runs of {seconds} s per scenario, interleaved; median [lowest-highest]; {stored} stored\n");
    println!("{}", table::table(results));
    println!("The reference pipeline is a minimal program of the same shape and is not part of otpost. To judge those");
    println!(
        "rows, measure it on this machine, alternating with otpost. A machine under other load gives other results."
    );
    if cfg!(debug_assertions) {
        println!("note: this is a debug build; its results do not apply to a release build");
    }
    for remark in &results.remarks {
        println!("note: {remark}");
    }
    for loss in &results.losses {
        println!("LOST OR DUPLICATED: {loss}");
    }
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
