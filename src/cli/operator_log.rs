//! Records in the audit log what an operator did outside the database: with a CA, with keys, with a backup, with an export.
//!
//! The action is done by then. One that cannot be recorded is not undone; a note says that it is not in the audit log. Where
//! there is no gateway's database, as on a machine for the CA alone, there is no audit log either.

use serde_json::Value;

use super::config_file::{ConfigFile, open_store};
use super::output;
use crate::config::Config;
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::{Clock, SystemClock};
use crate::store::operators_event;

/// Records the action in the audit log of the gateway with this configuration file, if there is one.
pub(super) async fn record(file: &ConfigFile, kind: AuditKind, detail: &[(&str, Value)]) {
    match file.load() {
        Ok(config) => record_at(&config, kind, detail).await,
        Err(_) if !file.config.exists() => {}
        Err(error) => not_recorded(kind, &error),
    }
}

/// Records the action in the audit log of the gateway with this configuration.
pub(super) async fn record_at(config: &Config, kind: AuditKind, detail: &[(&str, Value)]) {
    if config.store.is_missing() {
        return;
    }
    if let Err(error) = write(config, kind, detail).await {
        not_recorded(kind, &error);
    }
}

async fn write(config: &Config, kind: AuditKind, detail: &[(&str, Value)]) -> anyhow::Result<()> {
    let store = open_store(config).await?;
    let event = detail
        .iter()
        .fold(operators_event(kind, SystemClock.now()), |event, (key, value)| event.with(key, value.clone()));
    let recorded = store.audit_events().record(&[event]).await;
    store.close().await?;
    Ok(recorded?)
}

fn not_recorded(kind: AuditKind, error: &anyhow::Error) {
    output::note(format_args!("note: this is not in the audit log as {}: {error:#}", kind.name()));
}
