//! `otpost check`: checks everything that a gateway needs, and continues after errors.
//!
//! It changes nothing and connects to nothing. It asks the name service for the hosts of the providers, and takes the
//! addresses of the listeners for an instant, unless this gateway is running.

mod ca;
mod certificates;
mod database;
mod encryption;
mod file_modes;
mod hosts;
mod libraries;
mod listeners;
mod production;
mod receipts_urls;
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
    match Config::load_without_secrets(file) {
        Err(error) => report.error("configuration", usage(error)),
        Ok(config) => {
            report.ok("configuration", file.display());
            config.missing_secrets.iter().for_each(|missing| report.error("secret", &missing.error));
            settings::check(&config, &mut report);
            hosts::check(&config.provider, &mut report);
            receipts_urls::check(&config.provider, &mut report);
            listeners::check(&config, &mut report);
            let folder = file.parent().unwrap_or(Path::new(""));
            let trusted = certificates::check(&config.ingest, folder, now, &mut report);
            certificates::check_listener(config.receipts.address(), now, &mut report);
            certificates::check_listener(config.console.address(), now, &mut report);
            certificates::check_provider_cas(&config.provider, now, &mut report);
            ca::check(&folder.join("pki"), &trusted, &config.ingest, now, &mut report);
            encryption::check(&config.ingest, now, &mut report);
            database::check(&config, &mut report).await;
            production::check(&config, &mut report);
            file_modes::check(&config, folder, &mut report);
        }
    }
    libraries::check(now, &mut report);
    report.show(args.json)?;
    Ok(if report.errors() == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) })
}
