//! `otpost check`: looks at everything a gateway needs before it is started, and goes on after what it finds wrong.
//!
//! It changes nothing and contacts nobody.

mod ca;
mod certificates;
mod database;
mod encryption;
mod findings;
mod libraries;
mod settings;

use std::path::Path;
use std::process::ExitCode;

use super::{ConfigFile, usage};
use crate::config::Config;
use crate::domain::clock::{Clock, SystemClock};
use findings::CheckReport;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Checks, and says what was found.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut findings = CheckReport::default();
    let now = SystemClock.now();
    let file = &args.config.config;
    match Config::load(file) {
        Err(error) => findings.error("configuration", usage(error)),
        Ok(config) => {
            findings.ok("configuration", file.display());
            settings::look(&config, &mut findings);
            let folder = file.parent().unwrap_or(Path::new(""));
            let trusted = certificates::look(&config.ingest, folder, now, &mut findings);
            ca::look(&folder.join("pki"), &trusted, &config.ingest, now, &mut findings);
            encryption::look(&config.ingest, now, &mut findings);
            database::look(&config, &mut findings).await;
        }
    }
    libraries::look(now, &mut findings);
    findings.show(args.json)?;
    Ok(if findings.errors() == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) })
}
