//! `otpost check`: checks everything that a gateway needs, and continues after errors.
//!
//! It changes nothing and makes no network connections.

mod ca;
mod certificates;
mod database;
mod encryption;
mod libraries;
mod report;
mod settings;

use std::path::Path;
use std::process::ExitCode;

use super::{ConfigFile, usage};
use crate::config::Config;
use crate::domain::clock::{Clock, SystemClock};
use report::CheckReport;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Exits with code 2 if there are errors.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut report = CheckReport::default();
    let now = SystemClock.now();
    let file = &args.config.config;
    match Config::load(file) {
        Err(error) => report.error("configuration", usage(error)),
        Ok(config) => {
            report.ok("configuration", file.display());
            settings::check(&config, &mut report);
            let folder = file.parent().unwrap_or(Path::new(""));
            let trusted = certificates::check(&config.ingest, folder, now, &mut report);
            certificates::check_receipts(&config.receipts, now, &mut report);
            ca::check(&folder.join("pki"), &trusted, &config.ingest, now, &mut report);
            encryption::check(&config.ingest, now, &mut report);
            database::check(&config, &mut report).await;
        }
    }
    libraries::check(now, &mut report);
    report.show(args.json)?;
    Ok(if report.errors() == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) })
}
