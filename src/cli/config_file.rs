//! The `--config` option, and the configuration and the database that it names.
//!
//! A command may open the database while a gateway is running on it. It never creates one.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;

use super::{Usage, usage};
use crate::config::Config;
use crate::domain::clock::SystemClock;
use crate::file_access::{self, Purpose};
use crate::flow::routing_publishing::{RoutingSource, source};
use crate::store::{self, OpenMode, Store};

#[derive(Debug, clap::Args)]
pub(super) struct ConfigFile {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = "otpost.toml", env = "OTPOST_CONFIG")]
    pub(super) config: PathBuf,
}

impl ConfigFile {
    /// Reads and validates the configuration. The secrets of providers are not needed: no command but `serve` sends.
    pub(super) fn load(&self) -> anyhow::Result<Config> {
        Config::load_without_secrets(&self.config).map_err(usage)
    }

    /// Opens the store of the configuration, to change it.
    pub(super) async fn open_store(&self) -> anyhow::Result<Store> {
        open_store(&self.load()?).await
    }

    /// Opens the store of the configuration, to look at it.
    pub(super) async fn read_store(&self) -> anyhow::Result<Store> {
        read_store(&self.load()?).await
    }
}

/// Opens the store of a configuration that is already loaded, to change it.
pub(super) async fn open_store(config: &Config) -> anyhow::Result<Store> {
    open(config, OpenMode::Cli).await
}

/// Opens the store of a configuration that is already loaded, to look at it.
pub(super) async fn read_store(config: &Config) -> anyhow::Result<Store> {
    open(config, OpenMode::ReadOnly).await
}

/// The configuration with the plans, limits and providers of the database, if they are edited in the console.
pub(super) async fn with_live_routing(config: Config, store: &Store) -> anyhow::Result<Config> {
    if config.routing.source == RoutingSource::Files {
        return Ok(config);
    }
    let Some(texts) = source::published(store).await? else { return Ok(config) };
    let problems = match config.with_routing(&texts) {
        Ok(live) => return Ok(live),
        Err(problems) => problems,
    };
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    Err(Usage(format!("plans, limits and providers of the database cannot be used: {}", problems.join("; "))).into())
}

async fn open(config: &Config, mode: OpenMode) -> anyhow::Result<Store> {
    let path = config.store.local_path().map_err(usage)?;
    // A folder that cannot be entered hides a database that exists.
    if config.store.is_missing() && file_access::denial(&path, Purpose::Read).is_none() {
        let text = format!("{}: no such database; otpost init and otpost serve create it", path.display());
        return Err(Usage(text).into());
    }
    let opened = Store::open(&config.store, &config.seal, mode, Arc::new(SystemClock)).await;
    // These name the file that they are about.
    match opened {
        Err(error @ (store::Error::Denied { .. } | store::Error::Seal(_))) => Err(error.into()),
        opened => opened.with_context(|| config.store.described()),
    }
}
