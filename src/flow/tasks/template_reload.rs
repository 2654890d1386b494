//! Keeps the active templates up to date: polls their folder, loads and validates changed templates, stores their versions,
//! and only then activates them.
//!
//! Templates that cannot be used or stored change nothing: the old ones stay active, and `otpost_template_stale` is 1.

use std::sync::Arc;

use serde_json::{Map, json};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::chain;
use crate::domain::clock::Clock;
use crate::domain::template_version::TemplateActivation;
use crate::file_watcher::POLL_EVERY;
use crate::render::{self, LiveTemplates};
use crate::store::{self, Store};

/// Reloads one set of templates.
pub struct TemplateReloader {
    live: Arc<LiveTemplates>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    reload: Notify,
}

impl TemplateReloader {
    /// Stores the versions of the templates that are active at the start. No message may be rendered before.
    pub async fn begin(
        live: Arc<LiveTemplates>,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, store::Error> {
        let activations = store.publish(live.current().snapshots()).await?;
        if !activations.is_empty() {
            tracing::info!(count = activations.len(), "templates changed since the last run");
        }
        set_stale(false);
        Ok(Self { live, store, clock, reload: Notify::new() })
    }

    /// Loads the templates now, whether or not they seem to have changed.
    pub fn reload_now(&self) {
        self.reload.notify_one();
    }

    /// Polls until the process ends.
    pub async fn run(self: Arc<Self>) {
        let mut polls = tokio::time::interval(POLL_EVERY);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stale = false;
        loop {
            tokio::select! {
                _ = polls.tick() => if !self.has_changed().await { continue },
                () = self.reload.notified() => {}
            }
            stale = self.reload(stale).await;
        }
    }

    async fn has_changed(&self) -> bool {
        let live = Arc::clone(&self.live);
        tokio::task::spawn_blocking(move || live.has_changed()).await.unwrap_or(false)
    }

    // Takes and returns whether the templates of the folder differ from the active ones because they cannot be used.
    async fn reload(&self, stale: bool) -> bool {
        let live = Arc::clone(&self.live);
        // Templates that change while they are loaded are loaded again after the next poll.
        let Ok(Some(pending)) = tokio::task::spawn_blocking(move || live.load()).await else { return stale };
        let renderer = match &pending.renderer {
            Ok(renderer) => Arc::clone(renderer),
            Err(error) => {
                set_stale(true);
                self.reject(error).await;
                self.live.activate(pending);
                return true;
            }
        };
        match self.store.publish(renderer.snapshots()).await {
            Ok(activations) => {
                self.live.activate(pending);
                set_stale(false);
                log_activations(&activations, stale);
                false
            }
            Err(error) => {
                set_stale(true);
                if !stale {
                    let error = chain(&error);
                    tracing::error!(error, "failed to store the changed templates; the old templates stay active");
                }
                true
            }
        }
    }

    async fn reject(&self, error: &render::Error) {
        metrics::counter!("otpost_template_reloads_total", "outcome" => "rejected").increment(1);
        let diagnostics = diagnostics(error);
        tracing::error!(
            error = diagnostics.join("; "),
            "changed templates rejected; the old templates stay active; run otpost template check to see what to fix"
        );
        let mut detail = Map::new();
        detail.insert("diagnostics".to_owned(), json!(diagnostics));
        let (actor, kind, at) = (Actor::Gateway, AuditKind::TemplatesRejected, self.clock.now());
        let event = AuditEvent { at, actor, kind, notification: None, delivery: None, detail };
        if let Err(error) = self.store.audit_events().record(&[event]).await {
            tracing::error!(error = chain(&error), "failed to record the audit event templates_rejected");
        }
    }
}

// One line for each diagnostic.
fn diagnostics(error: &render::Error) -> Vec<String> {
    match error {
        render::Error::Rejected(diagnostics) => diagnostics.iter().map(ToString::to_string).collect(),
        other => vec![chain(other)],
    }
}

fn set_stale(is_stale: bool) {
    metrics::gauge!("otpost_template_stale").set(f64::from(u8::from(is_stale)));
}

fn log_activations(activations: &[TemplateActivation], stale: bool) {
    if activations.is_empty() && !stale {
        tracing::info!("templates reloaded; nothing has changed");
        return;
    }
    metrics::counter!("otpost_template_reloads_total", "outcome" => "activated").increment(1);
    let changed: Vec<_> = activations.iter().map(description).collect();
    tracing::info!(count = activations.len(), changed = changed.join(" "), "templates reloaded");
}

fn description(activation: &TemplateActivation) -> String {
    match activation.template_version {
        Some(version) => format!("{}={}", activation.topic, version.short()),
        None => format!("{}=removed", activation.topic),
    }
}
