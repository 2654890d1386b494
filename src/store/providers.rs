//! What operators decided about providers, and how the running gateway sees them.
//!
//! Names and numbers only. Nothing here chooses a provider.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Error, Store};
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::ProviderName;

/// The longest reason kept, in characters; a longer one is cut.
const REASON_MAX: usize = 200;

/// A [`ProviderState`] that is older than this was not written by a gateway that is running.
pub const FRESH: Duration = Duration::from_secs(15);

/// A provider that operators have taken off duty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    /// Which.
    pub provider: ProviderName,
    /// Since when.
    pub since: Timestamp,
    /// Why, in the operator's words.
    pub reason: Option<String>,
}

/// Messages that a provider has been paid for, or may have to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Billed {
    /// Whom.
    pub provider: ProviderName,
    /// The minute in which they were handed over.
    pub at: Timestamp,
    /// How many.
    pub messages: u64,
}

/// How the gateway sees a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderState {
    /// Which.
    pub provider: ProviderName,
    /// `closed`, `half_open` or `open`.
    pub circuit: String,
    /// Answers that the recent past holds.
    pub seen: u32,
    /// Failures among them.
    pub failed: u32,
    /// How long an answer takes.
    pub slowness: Option<Duration>,
    /// When that was so.
    pub seen_at: Timestamp,
}

impl Store {
    /// Takes a provider off duty until [`Store::enable`], also across restarts. `false` when it is off duty already:
    /// then the first reason stays.
    pub async fn drain(&self, provider: &ProviderName, reason: Option<&str>) -> Result<bool, Error> {
        let since = self.clock.now();
        let reason = reason.map(tidy).filter(|reason| !reason.is_empty());
        let event = event(AuditKind::ProviderDrained, since, provider, reason.as_deref());
        self.backend.drain(&Drain { provider: provider.clone(), since, reason }, &event).await
    }

    /// Puts a provider on duty again. `false` when it was.
    pub async fn enable(&self, provider: &ProviderName) -> Result<bool, Error> {
        let event = event(AuditKind::ProviderEnabled, self.clock.now(), provider, None);
        self.backend.enable(provider, &event).await
    }

    /// Who is off duty, by name.
    pub async fn drains(&self) -> Result<Vec<Drain>, Error> {
        self.backend.drains().await
    }

    /// The messages of the hour before `now` that were taken or may have been, minute by minute, the oldest first.
    /// Deliveries that had waited for more than a day are not looked at.
    pub async fn billed(&self, now: Timestamp) -> Result<Vec<Billed>, Error> {
        let since = now.before(Duration::from_hours(1));
        self.backend.billed(since.before(Duration::from_hours(24)), since).await
    }

    /// Replaces what was kept of how the gateway sees its providers.
    pub async fn keep_provider_states(&self, states: &[ProviderState]) -> Result<(), Error> {
        self.backend.keep_provider_states(states).await
    }

    /// How a gateway last saw its providers, by name.
    pub async fn provider_states(&self) -> Result<Vec<ProviderState>, Error> {
        self.backend.provider_states().await
    }
}

// One line, so that a list stays one.
fn tidy(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_control()).take(REASON_MAX).collect::<String>().trim().to_owned()
}

fn event(kind: AuditKind, at: Timestamp, provider: &ProviderName, reason: Option<&str>) -> AuditEvent {
    let mut detail = Map::new();
    detail.insert("provider".to_owned(), Value::from(provider.0.as_str()));
    if let Some(reason) = reason {
        detail.insert("reason".to_owned(), Value::from(reason));
    }
    AuditEvent { at, actor: Actor::Operator, kind, notification: None, delivery: None, detail }
}
