//! Drained providers, and the gateway's view of all providers for lists in other processes.
//!
//! Names and numbers only. Nothing here chooses a provider.

use std::time::Duration;

use async_trait::async_trait;

use super::Error;
use super::audit_events::reason_line;
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::ProviderName;

/// The time over which spending is counted against a cap.
const BILLED_WINDOW: Duration = Duration::from_hours(1);

/// A [`ProviderState`] that is older than this was not written by a gateway that is still running.
pub const FRESH: Duration = Duration::from_secs(15);

/// What operators decided about providers, what providers are owed, and how the gateway sees them.
#[async_trait]
pub trait Providers: Send + Sync {
    /// Drains a provider until [`Providers::enable`], also across restarts. `false`, and nothing written, when it is
    /// drained already: the first reason stays.
    async fn drain(&self, decision: &ProviderDecision) -> Result<bool, Error>;
    /// Enables a drained provider. `false`, and nothing written, when it is not drained.
    async fn enable(&self, decision: &ProviderDecision) -> Result<bool, Error>;
    /// The drained providers, by name.
    async fn drains(&self) -> Result<Vec<Drain>, Error>;
    /// Pauses delivery until [`Providers::resume_delivery`], also across restarts. `false`, and nothing written, when it is paused
    /// already: the first reason stays.
    async fn pause_delivery(&self, decision: &PauseDecision) -> Result<bool, Error>;
    /// Resumes delivery. `false`, and nothing written, when no operator has paused it.
    async fn resume_delivery(&self, decision: &PauseDecision) -> Result<bool, Error>;
    /// The pause of an operator, while it lasts.
    async fn pause_of_operator(&self) -> Result<Option<Pause>, Error>;
    /// What providers accepted or may have accepted in the hour before `now`: by provider and minute, the oldest first. A
    /// running sum: its cost does not depend on the number of messages.
    async fn billed(&self, now: Timestamp) -> Result<Vec<Billed>, Error>;
    /// Replaces the gateway's view of its providers.
    async fn keep_provider_states(&self, states: &[ProviderState]) -> Result<(), Error>;
    /// The gateway's last view of its providers, by name.
    async fn provider_states(&self) -> Result<Vec<ProviderState>, Error>;
}

/// An operator takes a provider out of rotation, or puts it back.
#[derive(Debug, Clone)]
pub struct ProviderDecision {
    pub provider: ProviderName,
    /// The operator's reason.
    pub reason: Option<String>,
    pub actor: Actor,
    pub at: Timestamp,
}

impl ProviderDecision {
    /// The reason becomes one short line, so that lists stay readable.
    pub fn new(provider: ProviderName, reason: Option<&str>, actor: Actor, at: Timestamp) -> Self {
        Self { provider, reason: reason.and_then(reason_line), actor, at }
    }

    pub(super) fn event(&self, kind: AuditKind) -> AuditEvent {
        let event = AuditEvent::new(self.actor.clone(), kind, self.at).with("provider", self.provider.0.as_str());
        match &self.reason {
            Some(reason) => event.with("reason", reason.as_str()),
            None => event,
        }
    }
}

/// An operator pauses or resumes delivery.
#[derive(Debug, Clone)]
pub struct PauseDecision {
    pub reason: String,
    pub actor: Actor,
    pub at: Timestamp,
}

impl PauseDecision {
    /// The reason becomes one short line; `None` when nothing is left of it.
    pub fn new(reason: &str, actor: Actor, at: Timestamp) -> Option<Self> {
        Some(Self { reason: reason_line(reason)?, actor, at })
    }

    pub(super) fn event(&self, kind: AuditKind) -> AuditEvent {
        AuditEvent::new(self.actor.clone(), kind, self.at).with("reason", self.reason.as_str())
    }
}

/// That an operator has paused delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    pub since: Timestamp,
    pub reason: String,
    /// The operator, as in the audit log.
    pub by: String,
}

/// A provider that operators have taken out of rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    pub provider: ProviderName,
    pub since: Timestamp,
    /// The operator's reason.
    pub reason: Option<String>,
    /// The operator, as in the audit log; unknown for a drain from before a version that stores it.
    pub by: Option<String>,
}

/// What a provider accepted or may have accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Billed {
    pub provider: ProviderName,
    /// When the first of them was sent; all were sent in the same minute.
    pub at: Timestamp,
    /// SMS segments, and messages on other channels.
    pub units: u64,
}

/// How the gateway sees a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderState {
    pub provider: ProviderName,
    /// `closed`, `half_open` or `open`.
    pub circuit: String,
    /// Recent attempts.
    pub attempts: u32,
    /// Failures among them.
    pub failures: u32,
    /// The average time of an attempt.
    pub latency: Option<Duration>,
    pub observed_at: Timestamp,
}

/// The minute, since 1970, in which a message was sent.
pub(super) fn billed_minute(at: Timestamp) -> i64 {
    at.micros() / 60_000_000
}

/// The first minute that [`Providers::billed`] counts.
pub(super) fn billed_since(now: Timestamp) -> i64 {
    billed_minute(now.before(BILLED_WINDOW))
}
