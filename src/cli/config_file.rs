//! The `--config` option, and the configuration and the database that it names.
//!
//! A command may open the database while a gateway is running on it. It never creates one.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;

use super::{Usage, usage};
use crate::config::Config;
use crate::domain::clock::SystemClock;
use crate::store::{OpenMode, Store};

#[derive(Debug, clap::Args)]
pub(super) struct ConfigFile {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = "otpost.toml", env = "OTPOST_CONFIG")]
    pub(super) config: PathBuf,
}

impl ConfigFile {
    /// Reads and validates the configuration.
    pub(super) fn load(&self) -> anyhow::Result<Config> {
        Config::load(&self.config).map_err(usage)
    }

    /// Opens the store of the configuration.
    pub(super) async fn open_store(&self) -> anyhow::Result<Store> {
        open_store(&self.load()?).await
    }
}

/// Opens the store of a configuration that is already loaded.
pub(super) async fn open_store(config: &Config) -> anyhow::Result<Store> {
    let path = config.store.sqlite_path().map_err(usage)?;
    if !path.exists() {
        let text = format!("{}: no such database; otpost init and otpost serve create it", path.display());
        return Err(Usage(text).into());
    }
    Store::open(&config.store, &config.seal, OpenMode::Cli, Arc::new(SystemClock))
        .await
        .with_context(|| path.display().to_string())
}
