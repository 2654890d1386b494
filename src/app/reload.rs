//! Reloads what can change while the gateway runs: plans, limits, providers and who is a recipient; certificates, revocation
//! lists, clients and keys of the listeners; and whether delivery is paused.
//!
//! The whole configuration and all files are read and checked before anything is replaced. With one bad value nothing
//! changes, even if it is one that only a restart would use.

use std::sync::{Arc, PoisonError};

use serde_json::{Map, Value};

use super::delivery::{Delivery, Replaced};
use super::parts::build;
use super::{Error, Gateway, routing};
use crate::config::{self, Config};
use crate::domain::chain;
use crate::flow::alarms::AlarmKind;
use crate::ingest::{self, Reloaded};
use crate::server::ListenAddress;

/// What a reload has replaced.
type Applied = (Reloaded, Option<Replaced>);

impl Gateway {
    /// Applies what a reload can change of a configuration that has been read again. If anything is wrong, nothing changes and
    /// an alarm is raised.
    pub async fn reload(&self, config: Result<Config, config::Error>) -> Result<(), Error> {
        // A change of plans, limits or providers that is published meanwhile comes before or behind all of this.
        let _published = self.routing.hold().await;
        let result = match config {
            Ok(file) => Box::pin(self.take(file)).await,
            Err(error) => Err(error.into()),
        };
        metrics::gauge!("otpost_reload_failed").set(f64::from(u8::from(result.is_err())));
        let outcome = if result.is_ok() { "taken" } else { "failed" };
        metrics::counter!("otpost_reloads_total", "outcome" => outcome).increment(1);
        let ((reloaded, replaced), config) = result.inspect_err(|error| {
            let error = chain(error);
            let detail = format!("the last reload failed, the previous files are used: {error}");
            if self.alarms.is_raised_with(AlarmKind::Reload, &detail) {
                tracing::info!("reload failed again for the same reason");
                return;
            }
            tracing::error!(
                alarm = AlarmKind::Reload.name(),
                error,
                "reload failed; the previous settings, files and clients stay in use"
            );
            self.alarms.raise(AlarmKind::Reload, detail);
        })?;
        self.earlier_files.keep(&config);
        self.expiry.check(self.clocks.wall.now());
        let Reloaded { subject, not_after, pins_added, pins_removed, .. } = &reloaded;
        tracing::info!(
            subject,
            %not_after,
            pins_added = pins_added.len(),
            added = pins_added.join(","),
            pins_removed = pins_removed.len(),
            removed = pins_removed.join(","),
            "certificates, revocation lists and clients reloaded"
        );
        self.clear_alarms_about_files();
        self.report_pending(&config);
        let mut detail = reloaded.detail();
        if let Some(replaced) = &replaced {
            report_replaced(replaced, &mut detail);
        }
        let paused = config.delivery.paused;
        if self.pause.set_by_file(paused).await? {
            detail.insert("delivery_paused".to_owned(), paused.into());
        }
        self.audit_log.record_reload(detail).await;
        Ok(())
    }

    // Once for each change, and not again at every later reload.
    fn report_pending(&self, config: &Config) {
        let changes = self.started_with.changes(&config.written, |key| !self.is_reloaded(key, config));
        let mut pending = self.loaded.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if *pending != changes {
            if changes.is_empty() {
                tracing::info!("no setting needs a restart any more");
            } else {
                tracing::warn!(changes = changes.join("; "), "these settings changed too and need a restart");
            }
            *pending = changes;
        }
    }

    // All files have been read anew.
    fn clear_alarms_about_files(&self) {
        for alarm in [
            AlarmKind::Reload,
            AlarmKind::ServerCertificate,
            AlarmKind::ReceiptsCertificate,
            AlarmKind::ConsoleCertificate,
            AlarmKind::EncryptionKeys,
        ] {
            self.alarms.clear(alarm);
        }
    }

    async fn take(&self, file: Config) -> Result<(Applied, Config), Error> {
        let config = routing::overlaid(file.clone(), &self.routing)?;
        let applied = self.apply(&config).await?;
        self.loaded.file.store(Arc::new(file));
        Ok((applied, config))
    }

    async fn apply(&self, config: &Config) -> Result<Applied, Error> {
        let built = build(config, &self.delivery.providers())?;
        let stored = self.delivery.stored_facts().await?;
        let apply_ingest = self.listener.prepare_reload(&config.ingest)?;
        let apply_receipts =
            self.receipt_listener.as_ref().map(|it| it.prepare_reload(config.receipts.address())).transpose()?;
        let apply_console = self.console.as_ref().map(|it| it.prepare_reload(config.console.address())).transpose();
        let apply_console = apply_console.map_err(Error::Console)?;
        // Everything has been read: from here on nothing fails.
        if let Some(apply) = apply_console {
            apply();
        }
        if let Some(apply) = apply_receipts {
            apply();
        }
        let reloaded = apply_ingest();
        Ok((reloaded, self.delivery.replace(config, built, &stored)))
    }

    fn is_reloaded(&self, key: &str, config: &Config) -> bool {
        match key.split_once('.') {
            Some(("ingest", key)) => ingest::Settings::RELOADED.iter().any(|section| {
                key.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            }),
            Some(("receipts", key)) => {
                ListenAddress::RELOADED.contains(&key)
                    && self.receipt_listener.as_ref().is_some_and(|it| it.can_reload(config.receipts.address()))
            }
            Some(("console", key)) => {
                ListenAddress::RELOADED.contains(&key)
                    && self.console.as_ref().is_some_and(|it| it.can_reload(config.console.address()))
            }
            _ => matches!(key, "delivery.paused" | "log.level" | "routing.secrets") || Delivery::replaces(key),
        }
    }
}

fn report_replaced(replaced: &Replaced, detail: &mut Map<String, Value>) {
    let Replaced { version, changes } = replaced;
    tracing::info!(version, changes = changes.join("; "), "plans, limits and providers reloaded");
    detail.insert("setup_version".to_owned(), (*version).into());
    detail.insert("changes".to_owned(), changes.clone().into());
}
