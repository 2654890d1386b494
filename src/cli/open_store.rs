//! Opens the database for a command, while a gateway may be running on it. It never makes one.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::{Usage, usage};
use crate::config::Config;
use crate::domain::clock::SystemClock;
use crate::store::{Role, Store};

/// Opens the store that the configuration in `file` names.
pub(super) async fn open(file: &Path) -> anyhow::Result<Store> {
    let config = Config::load(file).map_err(usage)?;
    open_configured(&config).await
}

/// Opens the store of a configuration that has been read.
pub(super) async fn open_configured(config: &Config) -> anyhow::Result<Store> {
    let path = config.store.sqlite_path().map_err(usage)?;
    if !path.exists() {
        let text = format!("{}: is not there; otpost init or otpost serve makes it", path.display());
        return Err(Usage(text).into());
    }
    Store::open(&config.store, &config.seal, Role::Cli, Arc::new(SystemClock))
        .await
        .with_context(|| path.display().to_string())
}
