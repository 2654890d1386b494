//! The keys and the database: whether they open, what is in them, and how much may still be written.

use std::sync::Arc;

use indicatif::BinaryBytes;

use super::certificates::private;
use super::findings::CheckReport;
use crate::cli::output::counted;
use crate::config::Config;
use crate::domain::chain;
use crate::domain::clock::SystemClock;
use crate::store::seal::Sealer;
use crate::store::{self, Role, Store};

/// Opens both; makes neither.
pub(super) async fn look(config: &Config, findings: &mut CheckReport) {
    private("seal.key", &config.seal.key_file, findings);
    if let Err(error) = Sealer::open(&config.seal) {
        return findings.error("seal.key", chain(&error));
    }
    match config.store.sqlite_path() {
        Err(error) => findings.error("database", chain(&error)),
        Ok(path) if !path.exists() => {
            let text = format!("{}: is not there yet; otpost init or otpost serve makes it", path.display());
            findings.warning("database", text);
        }
        Ok(path) => match open(config, findings).await {
            Ok(()) => {}
            Err(error) => findings.error("database", format_args!("{}: {}", path.display(), chain(&error))),
        },
    }
}

async fn open(config: &Config, findings: &mut CheckReport) -> Result<(), store::Error> {
    let store = Store::open(&config.store, &config.seal, Role::Cli, Arc::new(SystemClock)).await?;
    let figures = store.figures().await?;
    let (recipients, open) = (figures.recipients, figures.open);
    findings.ok("database", format_args!("SQLite {}; {recipients} people, {open} open deliveries", figures.version));
    if recipients == 0 {
        findings.warning("recipient", "the directory is empty: nobody can be told; otpost recipient import");
    }
    findings.ok("epoch keys", counted(store.epoch_keys(), "key"));
    let (free, least) = (store.look_after_space().await?, config.store.min_free);
    let text = format!("{} free, store.min_free is {}", BinaryBytes(free), BinaryBytes(least));
    if free < least {
        findings.error("disk", format_args!("{text}: nothing would be accepted"));
    } else {
        findings.ok("disk", text);
    }
    store.close().await
}
