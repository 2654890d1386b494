//! How a run of a delivery ends: what is written when nothing is sent now.

use super::{Dispatch, RunResult};
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryId, EndReason};
use crate::domain::notification::Priority;
use crate::flow::delivery_metrics;
use crate::route::{self, Decision, RoutingRequest};
use crate::store::{Claimed, Error, Lease};

/// What is known of a delivery whose run ended in a panic.
pub(super) struct AbandonedDelivery {
    id: DeliveryId,
    priority: Priority,
    received_at: Timestamp,
    expires_at: Timestamp,
    lease: Lease,
}

impl AbandonedDelivery {
    pub(super) fn of(claimed: &Claimed) -> Self {
        let (received_at, expires_at) = (claimed.received_at, claimed.expires_at);
        Self { id: claimed.id, priority: claimed.priority(), received_at, expires_at, lease: claimed.lease() }
    }
}

impl Dispatch {
    // Nothing is sent now. After a hedged push the delivery stays open and is due at its next step: this is the only
    // place where a hedge is armed. A receipt that confirms the push meanwhile is found before that step is taken.
    pub(super) async fn apply(
        &self,
        claimed: Claimed,
        last: Option<Attempt>,
        decision: Decision,
    ) -> Result<RunResult, Error> {
        match decision {
            Decision::GiveUp(reason) => self.end(claimed, last, reason).await,
            Decision::RetryAt(until) => {
                if last.as_ref().is_some_and(Attempt::is_taken) {
                    delivery_metrics::count_hedge("armed");
                }
                self.postpone(claimed, last, until).await
            }
            Decision::Send(_) => self.postpone(claimed, last, self.clock.now()).await,
            Decision::Done => {
                if !last.as_ref().is_some_and(Attempt::is_taken) {
                    delivery_metrics::hedge(&claimed, "dropped");
                }
                self.sent(claimed, last).await
            }
        }
    }

    // An accepted message ends as sent, one that may have arrived as unconfirmed, and one that was reported as not delivered
    // by what was reported, even if later attempts failed.
    pub(super) async fn end(
        &self,
        claimed: Claimed,
        last: Option<Attempt>,
        reason: EndReason,
    ) -> Result<RunResult, Error> {
        let attempts = || claimed.attempts.iter().chain(&last);
        if attempts().any(Attempt::is_taken) {
            delivery_metrics::hedge(&claimed, "dropped");
            return self.sent(claimed, last).await;
        }
        if attempts().any(Attempt::may_have_arrived) {
            delivery_metrics::unconfirmed(&claimed);
            self.store.leave_unconfirmed(claimed, last).await?;
            return Ok(RunResult::Done);
        }
        let failure = attempts().filter_map(|attempt| attempt.failure).next_back();
        if let Some(failure) = failure.filter(|_| reason == EndReason::AllRejected) {
            delivery_metrics::undelivered(&claimed, failure);
            self.store.leave_undelivered(claimed, last, failure).await?;
        } else {
            delivery_metrics::given_up(&claimed, last.as_ref(), reason);
            self.store.give_up(claimed, last, reason).await?;
        }
        Ok(RunResult::Done)
    }

    // While the provider may still report that the message was not delivered, the content is kept for the next candidate.
    async fn sent(&self, claimed: Claimed, last: Option<Attempt>) -> Result<RunResult, Error> {
        let mut taken = claimed.attempts.iter().chain(&last).filter(|attempt| attempt.is_taken());
        if taken.any(|attempt| self.registry.expects_receipts(&attempt.provider)) {
            self.store.await_receipt(claimed, last).await?;
        } else {
            self.store.mark_sent(claimed, last).await?;
        }
        Ok(RunResult::Done)
    }

    pub(super) async fn postpone(
        &self,
        claimed: Claimed,
        last: Option<Attempt>,
        until: Timestamp,
    ) -> Result<RunResult, Error> {
        self.store.postpone(claimed, last, until).await?;
        Ok(RunResult::Done)
    }

    // The lease ends when the delivery is to be tried again. It may have been in flight, so its next run is in doubt.
    pub(super) async fn abandon(&self, delivery: &AbandonedDelivery) -> RunResult {
        let AbandonedDelivery { id, priority, received_at, expires_at, lease } = *delivery;
        let now = self.clock.now();
        let request = RoutingRequest { delivery: Some(id), priority, received_at, now, expires_at, may_exceed: false };
        let until = now.after(route::held_wait(&request));
        delivery_metrics::panicked(id, until);
        if let Err(error) = self.store.abandon(lease, until).await {
            tracing::error!(delivery.id = %id, error = chain(&error), "lease not released; the delivery is retried when it expires");
        }
        RunResult::Done
    }
}
