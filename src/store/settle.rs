//! How a held delivery goes on or ends: `settle`, `go_on`, `postpone`, `give_up`, each with its audit event.
//!
//! Every verb but `go_on` consumes the [`Claimed`]; none can write anything once the lease is somebody else's.

use serde_json::{Map, Value, json};

use super::lease::{Claimed, LEASE, gateway_event};
use super::rows::{NextState, SettleResult, SettleRows};
use super::{Error, Store};
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryState, EndReason};

impl Store {
    /// Ends the delivery with the attempt that a provider took.
    pub async fn settle(&self, claimed: Claimed, attempt: Attempt) -> Result<(), Error> {
        let now = self.clock.now();
        self.step(&claimed, AuditKind::Sent, Some(attempt), NextState::End(DeliveryState::Sent, None, now), now).await
    }

    /// Ends as sent a delivery that a provider took before, after an attempt that failed or none.
    pub async fn rest(&self, claimed: Claimed, attempt: Option<Attempt>) -> Result<(), Error> {
        let now = self.clock.now();
        self.step(&claimed, AuditKind::Sent, attempt, NextState::End(DeliveryState::Sent, None, now), now).await
    }

    /// Ends the delivery as one that may have arrived, by this attempt or one recorded before.
    pub async fn leave_unconfirmed(&self, claimed: Claimed, attempt: Option<Attempt>) -> Result<(), Error> {
        let now = self.clock.now();
        self.step(&claimed, AuditKind::GivenUp, attempt, NextState::End(DeliveryState::Unconfirmed, None, now), now)
            .await
    }

    /// Records an attempt that failed and keeps the delivery for the next one at once.
    pub async fn go_on(&self, mut claimed: Claimed, attempt: Attempt) -> Result<Claimed, Error> {
        let now = self.clock.now();
        self.step(&claimed, AuditKind::Attempted, Some(attempt.clone()), NextState::GoOn(now.after(LEASE)), now)
            .await?;
        claimed.attempts.push(attempt);
        claimed.in_doubt = false;
        claimed.held_until = now.after(LEASE);
        Ok(claimed)
    }

    /// Records an attempt that failed and frees the delivery until `until`.
    pub async fn postpone(&self, claimed: Claimed, attempt: Option<Attempt>, until: Timestamp) -> Result<(), Error> {
        self.step(&claimed, AuditKind::Postponed, attempt, NextState::Wait(until), self.clock.now()).await
    }

    /// Ends the delivery without a provider's word.
    pub async fn give_up(&self, claimed: Claimed, attempt: Option<Attempt>, reason: EndReason) -> Result<(), Error> {
        let now = self.clock.now();
        self.step(&claimed, AuditKind::GivenUp, attempt, NextState::End(reason.state(), Some(reason), now), now).await
    }

    async fn step(
        &self,
        claimed: &Claimed,
        kind: AuditKind,
        attempt: Option<Attempt>,
        then: NextState,
        now: Timestamp,
    ) -> Result<(), Error> {
        let event = gateway_event(kind, claimed, now, detail(attempt.as_ref(), then));
        let rows = SettleRows {
            priority: claimed.priority(),
            delivery: claimed.id.0,
            lease_token: claimed.lease_token,
            recipient: claimed.recipient.map(|recipient| recipient.0),
            attempt,
            then,
            event,
        };
        match self.writer.settle(rows).await? {
            SettleResult::Done => Ok(()),
            SettleResult::LeaseLost => Err(Error::LeaseLost(claimed.id)),
        }
    }
}

fn detail(attempt: Option<&Attempt>, then: NextState) -> Map<String, Value> {
    let mut detail = Map::new();
    let mut say = |name: &str, value: Value| detail.insert(name.to_owned(), value);
    if let Some(attempt) = attempt {
        say("attempt", json!(attempt.number));
        say("channel", json!(attempt.channel.name()));
        say("provider", json!(attempt.provider.0));
        say("outcome", json!(attempt.outcome.name()));
        if let Some(cause) = attempt.outcome.cause() {
            say("cause", json!(cause.name()));
        }
    }
    match then {
        NextState::GoOn(_) => {}
        NextState::Wait(until) => drop(say("until", json!(until.to_string()))),
        NextState::End(state, reason, _) => {
            say("state", json!(state.name()));
            if let Some(reason) = reason {
                say("reason", json!(reason.name()));
            }
        }
    }
    detail
}
