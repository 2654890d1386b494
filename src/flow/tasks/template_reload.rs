//! Keeps the active templates up to date: polls their folder, loads and validates changed templates, stores their versions,
//! and only then activates them.
//!
//! Templates that cannot be used or stored change nothing: the old ones stay active, under an alarm, and
//! `otpost_template_stale` is 1. The same holds at the start, where the old ones are those that the database keeps.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, json};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::chain;
use crate::domain::clock::Clock;
use crate::domain::template_version::TemplateActivation;
use crate::file_watcher::POLL_EVERY;
use crate::flow::alarms::{AlarmKind, Alarms};
use crate::render::{self, LiveTemplates};
use crate::store::{self, Store};

/// Reloads one set of templates.
pub struct TemplateReloader {
    live: Arc<LiveTemplates>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    alarms: Arc<Alarms>,
    starts_stale: bool,
    /// The diagnostics of the templates that were rejected last.
    rejected: Mutex<Vec<String>>,
    reload: Notify,
}

impl TemplateReloader {
    /// Stores the versions of the templates that are active at the start. No message may be rendered before. `rejected` says
    /// why those of the folder cannot be used, when earlier ones are active.
    pub async fn begin(
        live: Arc<LiveTemplates>,
        rejected: Option<&render::Error>,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        alarms: Arc<Alarms>,
    ) -> Result<Self, store::Error> {
        let activations = store.publish(live.current().snapshots()).await?;
        if !activations.is_empty() {
            tracing::info!(count = activations.len(), "templates changed since the last run");
        }
        let starts_stale = rejected.is_some();
        set_stale(starts_stale);
        let reloader =
            Self { live, store, clock, alarms, starts_stale, rejected: Mutex::default(), reload: Notify::new() };
        if let Some(error) = rejected {
            let text = "templates rejected at the start; those of the last run stay active; run otpost template check to see \
                        what to fix";
            reloader.reject(error, text).await;
        }
        Ok(reloader)
    }

    /// Loads the templates now, whether or not they seem to have changed.
    pub fn reload_now(&self) {
        self.reload.notify_one();
    }

    /// Polls until the process ends.
    pub async fn run(self: Arc<Self>) {
        let mut polls = tokio::time::interval(POLL_EVERY);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stale = self.starts_stale;
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
                let text = "changed templates rejected; the old templates stay active; run otpost template check to see what to \
                            fix";
                self.reject(error, text).await;
                self.live.activate(pending);
                return true;
            }
        };
        match self.store.publish(renderer.snapshots()).await {
            Ok(activations) => {
                self.live.activate(pending);
                set_stale(false);
                self.alarms.clear(AlarmKind::Templates);
                log_activations(&activations, stale);
                false
            }
            Err(error) => {
                set_stale(true);
                let error = chain(&error);
                let detail = format!("the changed templates could not be stored, the old ones stay active: {error}");
                self.alarms.raise(AlarmKind::Templates, detail);
                if !stale {
                    let alarm = AlarmKind::Templates.name();
                    tracing::error!(
                        alarm,
                        error,
                        "failed to store the changed templates; the old templates stay active"
                    );
                }
                true
            }
        }
    }

    async fn reject(&self, error: &render::Error, text: &str) {
        metrics::counter!("otpost_template_reloads_total", "outcome" => "rejected").increment(1);
        let diagnostics = diagnostics(error);
        let before = self.rejected.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if before == diagnostics && self.alarms.is_raised_with(AlarmKind::Templates, &alarm_detail(&diagnostics)) {
            tracing::info!("templates rejected again for the same reason");
            return;
        }
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&diagnostics);
        self.alarms.raise(AlarmKind::Templates, alarm_detail(&diagnostics));
        tracing::error!(alarm = AlarmKind::Templates.name(), error = diagnostics.join("; "), "{text}");
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

// The first one is enough to begin with: a broken edit may have hundreds.
fn alarm_detail(diagnostics: &[String]) -> String {
    let others = match diagnostics.len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more; run otpost template check)", count - 1),
    };
    let first = diagnostics.first().map(String::as_str).unwrap_or_default();
    format!("the templates of the folder are rejected, earlier ones are used: {first}{others}")
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
        Some(version) => format!("{}={}", activation.key, version.short()),
        None => format!("{}=removed", activation.key),
    }
}
