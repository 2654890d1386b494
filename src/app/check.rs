//! What a start would refuse, found before the running gateway stops.

use std::sync::Arc;

use super::parts::build;
use super::{Error, trust_error};
use crate::config::Config;
use crate::domain::clock::Clocks;
use crate::store::{self, OpenMode, Store};
use crate::{console, ingest, receipts};

/// Checks values, files and the database as a start would use them. It changes nothing, binds no address and reads no
/// templates: a start works without those on disk.
pub async fn check(config: &Config, clocks: Clocks) -> Result<(), Error> {
    build(config, &[])?;
    ingest::check(&config.ingest).map_err(trust_error::explain)?;
    if config.receipts.address().is_open() {
        receipts::check(&config.receipts)?;
    }
    if config.console.address().is_open() {
        console::check(&config.console).map_err(Error::Console)?;
    }
    match Store::open(&config.store, &config.seal, OpenMode::ReadOnly, Arc::clone(&clocks.steady)).await {
        Ok(store) => Ok(store.close().await?),
        // The start brings it up to date.
        Err(store::Error::SchemaOlder) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
