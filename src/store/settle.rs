//! How a claimed delivery goes on or ends: `settle`, `record_attempt`, `postpone`, `give_up`, each with its audit event.
//!
//! Every verb but `record_attempt` consumes the [`Claimed`]; none writes anything once the lease is lost.

use super::lease::{Claimed, LEASE};
use super::rows::{NextState, RetireRows, RetiredRow, SettleResult, SettleRows};
use super::{Error, Store};
use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryState, EndReason};
use crate::domain::failure_detail::FailureDetail;
use crate::domain::notification::Priority;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::receipt::ReceiptStatus;

impl Store {
    /// Ends the delivery as sent, with the attempt that a provider accepted.
    pub async fn settle(&self, claimed: Claimed, attempt: Attempt) -> Result<(), Error> {
        self.mark_sent(claimed, Some(attempt)).await
    }

    /// Ends the delivery as sent: a provider accepted an earlier attempt. `attempt` is a later one that failed.
    pub async fn mark_sent(&self, claimed: Claimed, attempt: Option<Attempt>) -> Result<(), Error> {
        let now = self.clock.now();
        self.step(&claimed, AuditKind::Sent, attempt, NextState::Ended(DeliveryState::Sent, None, now), now).await
    }

    /// Like [`Store::mark_sent`], but the content is kept until a receipt confirms the delivery or its deadline passes.
    pub async fn await_receipt(&self, claimed: Claimed, attempt: Option<Attempt>) -> Result<(), Error> {
        let now = self.clock.now();
        self.step(&claimed, AuditKind::Sent, attempt, NextState::AwaitsReceipt(now), now).await
    }

    /// Ends the delivery as receipts reported it: no message was delivered, and no candidate is left. `attempt` is a later
    /// one that failed.
    pub async fn leave_undelivered(
        &self,
        claimed: Claimed,
        attempt: Option<Attempt>,
        failure: ReceiptStatus,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let next = NextState::Ended(failure.end(), None, now);
        self.step(&claimed, AuditKind::GivenUp, attempt, next, now).await
    }

    /// Ends the delivery as unconfirmed: this attempt, or one recorded before, may have arrived.
    pub async fn leave_unconfirmed(&self, claimed: Claimed, attempt: Option<Attempt>) -> Result<(), Error> {
        let now = self.clock.now();
        let next = NextState::Ended(DeliveryState::Unconfirmed, None, now);
        self.step(&claimed, AuditKind::GivenUp, attempt, next, now).await
    }

    /// Records an attempt and keeps the lease for the next one.
    pub async fn record_attempt(&self, mut claimed: Claimed, attempt: Attempt) -> Result<Claimed, Error> {
        let now = self.clock.now();
        let leased_until = now.after(LEASE);
        let next = NextState::Leased(leased_until);
        self.step(&claimed, AuditKind::Attempted, Some(attempt.clone()), next, now).await?;
        claimed.attempts.push(attempt);
        claimed.in_doubt = false;
        claimed.wait_recorded = false;
        claimed.leased_until = leased_until;
        Ok(claimed)
    }

    /// Ends the lease and makes the delivery due at `until`, after an attempt that failed or none. One audit event for each
    /// wait: a delivery that was looked at and goes on waiting writes none.
    pub async fn postpone(&self, claimed: Claimed, attempt: Option<Attempt>, until: Timestamp) -> Result<(), Error> {
        self.step(&claimed, AuditKind::Postponed, attempt, NextState::Due(until), self.clock.now()).await
    }

    /// Ends the delivery: no provider accepted it.
    pub async fn give_up(&self, claimed: Claimed, attempt: Option<Attempt>, reason: EndReason) -> Result<(), Error> {
        let now = self.clock.now();
        let next = NextState::Ended(reason.state(), Some(reason), now);
        self.step(&claimed, AuditKind::GivenUp, attempt, next, now).await
    }

    async fn step(
        &self,
        claimed: &Claimed,
        kind: AuditKind,
        attempt: Option<Attempt>,
        next: NextState,
        now: Timestamp,
    ) -> Result<(), Error> {
        let goes_on_waiting = attempt.is_none() && claimed.wait_recorded && matches!(next, NextState::Due(_));
        let rows = SettleRows {
            priority: claimed.priority(),
            delivery: claimed.id.0,
            lease_token: claimed.lease_token,
            recipient: claimed.recipient.map(|recipient| recipient.0),
            event: (!goes_on_waiting).then(|| event(claimed.event(kind, now), attempt.as_ref(), next)),
            retires: attempt.as_ref().and_then(|attempt| retires(claimed, attempt, now)).map(Box::new),
            attempt,
            next,
            keeps_content: keeps_content(claimed, next),
        };
        let contact = rows.retires.as_ref().map(|it| (it.channel, it.retired.provider.clone()));
        match self.writer.settle(rows).await? {
            SettleResult::Done => Ok(()),
            SettleResult::Retired => {
                if let Some((channel, provider)) = contact {
                    tracing::info!(delivery.id = %claimed.id, channel, provider, "contact is gone; it is retired");
                    metrics::counter!("otpost_contacts_retired_total", "channel" => channel, "provider" => provider)
                        .increment(1);
                }
                Ok(())
            }
            SettleResult::LeaseLost => Err(Error::LeaseLost(claimed.id)),
        }
    }
}

// The content of what may go on, and of what an operator may send again until its deadline. A recipient who was found before
// and is unknown now has been erased.
fn keeps_content(claimed: &Claimed, next: NextState) -> bool {
    let is_erased = claimed.recipient.is_some();
    match next {
        NextState::Leased(_) | NextState::Due(_) | NextState::AwaitsReceipt(_) => true,
        NextState::Ended(_, Some(EndReason::Suppressed), _) => false,
        NextState::Ended(_, Some(EndReason::UnknownRecipient), _) if is_erased => false,
        NextState::Ended(state, ..) => claimed.priority() == Priority::Standard && state.may_be_resent(),
    }
}

// Only what the provider said for certain of this very contact, and only a contact of an imported recipient.
fn retires(claimed: &Claimed, attempt: &Attempt, now: Timestamp) -> Option<RetireRows> {
    if attempt.outcome != Outcome::rejected(Cause::ContactGone) {
        return None;
    }
    let (recipient, channel) = (claimed.recipient?, attempt.channel.name());
    let event = claimed
        .event(AuditKind::ContactRetired, now)
        .with("recipient", recipient.to_string())
        .with("channel", channel)
        .with("provider", attempt.provider.0.as_str());
    let detail = attempt.detail.as_ref().map(FailureDetail::as_str).map(str::to_owned);
    Some(RetireRows {
        recipient: recipient.0,
        channel,
        position: attempt.contact,
        hash: attempt.contact_hash?,
        retired: RetiredRow { at: now, provider: attempt.provider.0.clone(), detail },
        event,
    })
}

fn event(mut event: AuditEvent, attempt: Option<&Attempt>, next: NextState) -> AuditEvent {
    if let Some(attempt) = attempt {
        event = event
            .with("attempt", attempt.number)
            .with("channel", attempt.channel.name())
            .with("provider", attempt.provider.0.as_str())
            .with("outcome", attempt.outcome.name());
        if let Some(cause) = attempt.outcome.cause() {
            event = event.with("cause", cause.name());
        }
    }
    match next {
        NextState::Leased(_) => event,
        NextState::Due(until) => event.with("until", until.to_string()),
        NextState::AwaitsReceipt(_) => event.with("state", DeliveryState::Sent.name()),
        NextState::Ended(state, None, _) => event.with("state", state.name()),
        NextState::Ended(state, Some(reason), _) => event.with("state", state.name()).with("reason", reason.name()),
    }
}
