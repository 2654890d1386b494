//! Keeps the texts in force up to date: looks whether there are others, has them read and checked, writes down which words
//! they are, and only then lets messages be written with them.
//!
//! What cannot be used, or cannot be written down, changes nothing: the old texts stay, under alarm, until it is mended.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::chain;
use crate::domain::clock::Clock;
use crate::domain::template_version::TemplateActivation;
use crate::render::{self, LiveTemplates};
use crate::store::{self, Store};

/// New texts are to be live within two seconds: two looks, one reading.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Keeps one library.
pub struct TemplateReloader {
    library: Arc<LiveTemplates>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    hurry: Notify,
}

impl TemplateReloader {
    /// Writes down the words of the texts that are in force from the start; before that no message may be written.
    pub async fn begin(
        library: Arc<LiveTemplates>,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, store::Error> {
        let changes = store.publish(library.now().words()).await?;
        if !changes.is_empty() {
            tracing::info!(texts = changes.len(), "texts are in force that were not when otpost last ran");
        }
        alarm(false);
        Ok(Self { library, store, clock, hurry: Notify::new() })
    }

    /// Has the texts read at once, whether or not they seem to have changed.
    pub fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Looks until the process ends.
    pub async fn run(self: Arc<Self>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stale = false;
        loop {
            tokio::select! {
                _ = looks.tick() => if !self.sees_others().await { continue },
                () = self.hurry.notified() => {}
            }
            stale = self.exchange(stale).await;
        }
    }

    async fn sees_others(&self) -> bool {
        let library = Arc::clone(&self.library);
        tokio::task::spawn_blocking(move || library.look()).await.unwrap_or(false)
    }

    // Whether the texts there are cannot be used; `stale` says whether that was so before.
    async fn exchange(&self, stale: bool) -> bool {
        let library = Arc::clone(&self.library);
        // Whoever is still writing is looked at again.
        let Ok(Some(draft)) = tokio::task::spawn_blocking(move || library.read()).await else { return stale };
        let renderer = match &draft.texts {
            Ok(renderer) => Arc::clone(renderer),
            Err(error) => {
                alarm(true);
                self.refuse(error).await;
                self.library.take(draft);
                return true;
            }
        };
        match self.store.publish(renderer.words()).await {
            Ok(changes) => {
                self.library.take(draft);
                alarm(false);
                tell(&changes, stale);
                false
            }
            Err(error) => {
                alarm(true);
                if !stale {
                    let error = chain(&error);
                    tracing::error!(error, "the words of changed texts could not be kept: the old texts stay in force");
                }
                true
            }
        }
    }

    async fn refuse(&self, error: &render::Error) {
        metrics::counter!("otpost_template_reloads_total", "outcome" => "refused").increment(1);
        let findings = findings(error);
        tracing::error!(
            findings = findings.join("; "),
            "the changed texts cannot be used: the old ones stay in force; otpost template check says what to mend"
        );
        let mut detail = Map::new();
        detail.insert("findings".to_owned(), json!(findings));
        let (actor, kind, at) = (Actor::Gateway, AuditKind::TemplatesRejected, self.clock.now());
        let event = AuditEvent { at, actor, kind, notification: None, delivery: None, detail };
        if let Err(error) = self.store.note(&[event]).await {
            tracing::error!(error = chain(&error), "that texts were refused could not be written into the audit log");
        }
    }
}

// One line for each thing that is wrong.
fn findings(error: &render::Error) -> Vec<String> {
    match error {
        render::Error::Refused(findings) => findings.iter().map(ToString::to_string).collect(),
        other => vec![chain(other)],
    }
}

fn alarm(stale: bool) {
    metrics::gauge!("otpost_template_stale").set(f64::from(u8::from(stale)));
}

fn tell(changes: &[TemplateActivation], stale: bool) {
    if changes.is_empty() && !stale {
        tracing::info!("texts were read again: nothing has changed");
        return;
    }
    metrics::counter!("otpost_template_reloads_total", "outcome" => "taken").increment(1);
    let texts: Map<String, Value> = changes
        .iter()
        .map(|change| (change.topic.to_string(), change.template_version.map_or(Value::Null, |it| it.short().into())))
        .collect();
    let texts = Value::Object(texts);
    tracing::info!(count = changes.len(), %texts, "other texts are in force");
}
