//! A provider's receipt: whether it is one, which delivery it is about, what it changes, or that it has to wait.
//!
//! What changes is a pure table, [`next`]. A receipt may come before its delivery has been settled, since some providers
//! call before they answer; it is then parked in the store and applied as soon as the delivery has ended, after a crash
//! too. Whoever sends a receipt is never told what it did.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio::time::MissedTickBehavior;

use super::providers::registry::ProviderRegistry;
use crate::channel::receipt::ReceiptParser;
use crate::domain::chain;
use crate::domain::clock::{Clock, Clocks, Timestamp};
use crate::domain::delivery::{Attempt, DeliveryState, ProviderName};
use crate::domain::outcome::Outcome;
use crate::domain::receipt::{Callback, Receipt, ReceiptRejection, ReceiptStatus};
use crate::store::{Confirmation, Error, Parked, Reported, Store};

/// Times a delivery is looked at anew because its state changed under our eyes. It has three steps to go at most.
const ROUNDS: usize = 4;

/// How often all parked receipts are looked at, for those that were parked long ago or by a process that died.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// A receipt parked this lately is looked for whenever a delivery ends.
const YOUNG: Duration = Duration::from_mins(1);

/// The pause between two looks: under load one look is for many deliveries.
const BREATH: Duration = Duration::from_millis(50);

/// Parked receipts taken up together.
const AT_ONCE: u32 = 100;

/// What a receipt leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The delivery changes to this state.
    To(DeliveryState),
    /// The delivery is still being worked on: the receipt waits until it has ended.
    Wait,
    /// Nothing: it says again what is known.
    Repeats,
    /// Nothing: what is known is more, or says otherwise.
    TooLate,
}

/// Where a receipt leads from `state`. `carries` says that it is about the last attempt that was, or may have been,
/// taken: a refusal of an earlier one says nothing about a later one, while a delivery by either is a delivery.
pub const fn next(state: DeliveryState, status: ReceiptStatus, carries: bool) -> Transition {
    use DeliveryState::{
        Confirmed, Expired, ExpiredByProvider, NotSent, Open, Sent, Superseded, Unconfirmed, Undeliverable, Undelivered,
    };
    match (state, status) {
        (Open, _) => Transition::Wait,
        // Also where we had given up on the provider: it took the message all the same, and the person has it.
        (Sent | Unconfirmed | Undeliverable | Expired | Superseded, ReceiptStatus::Delivered) => {
            Transition::To(Confirmed)
        }
        (Sent | Unconfirmed, ReceiptStatus::Undelivered) if carries => Transition::To(Undelivered),
        (Sent | Unconfirmed, ReceiptStatus::Expired) if carries => Transition::To(ExpiredByProvider),
        (Confirmed, ReceiptStatus::Delivered)
        | (Undelivered, ReceiptStatus::Undelivered)
        | (ExpiredByProvider, ReceiptStatus::Expired) => Transition::Repeats,
        (
            Sent | Unconfirmed | Undeliverable | Expired | Superseded | NotSent | Confirmed | Undelivered
            | ExpiredByProvider,
            _,
        ) => Transition::TooLate,
    }
}

/// Why a callback is not taken.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    /// No provider of that name sends receipts.
    #[error("no provider of that name sends receipts")]
    UnknownProvider,
    /// It is no receipt.
    #[error(transparent)]
    Rejected(#[from] ReceiptRejection),
    /// It cannot be committed now; the provider should come again.
    #[error("the receipt could not be committed")]
    Unavailable(#[from] Error),
}

/// Takes receipts and applies them.
pub struct Receipts {
    store: Arc<Store>,
    readers: HashMap<ProviderName, ReceiptParser>,
    registry: Arc<ProviderRegistry>,
    clock: Arc<dyn Clock>,
    wall: Arc<dyn Clock>,
    turn: Mutex<()>,
    last_parked: AtomicI64,
}

struct IncomingReceipt<'a> {
    provider: &'a ProviderName,
    receipt: &'a Receipt,
    at: Timestamp,
    parked: Option<&'a Parked>,
}

impl Receipts {
    /// Takes the receipts of the providers in `readers`; `registry` is told which came.
    pub fn new(
        store: Arc<Store>,
        readers: HashMap<ProviderName, ReceiptParser>,
        registry: Arc<ProviderRegistry>,
        clocks: Clocks,
    ) -> Self {
        let Clocks { steady: clock, wall } = clocks;
        registry.expect_receipts(readers.keys());
        // What the process before parked lately counts as young too.
        let last_parked = AtomicI64::new(clock.now().micros());
        Self { store, readers, registry, clock, wall, turn: Mutex::new(()), last_parked }
    }

    /// The wall's time, for whoever makes a [`Callback`]: its signature may hold a date.
    pub fn now(&self) -> Timestamp {
        self.wall.now()
    }

    /// Takes a callback that came for `provider`. It is on disk when this returns, if it changes anything.
    pub async fn take(self: Arc<Self>, provider: &str, callback: &Callback<'_>) -> Result<(), CallbackError> {
        let provider = ProviderName(provider.to_owned());
        let reader = self.readers.get(&provider).ok_or(CallbackError::UnknownProvider)?;
        let receipts = reader.read(callback).inspect_err(|unfit| count_unfit(&provider, *unfit))?;
        if receipts.is_empty() {
            count(&provider, None, "not_final");
        }
        let at = self.clock.now();
        // A task of its own: a provider that hangs up must not leave the writing connection in the middle of something.
        let applied = tokio::spawn(async move { self.apply_all(&provider, &receipts, at).await });
        Ok(applied.await.map_err(|_| Error::Stopped)??)
    }

    async fn apply_all(&self, provider: &ProviderName, receipts: &[Receipt], at: Timestamp) -> Result<(), Error> {
        for receipt in receipts {
            let outcome = self.apply(&IncomingReceipt { provider, receipt, at, parked: None }).await;
            let outcome = outcome.inspect_err(|_| count(provider, Some(receipt.status), "failed"))?;
            count(provider, Some(receipt.status), outcome);
        }
        Ok(())
    }

    /// Applies what was parked, at once and whenever a delivery has `ended`, until the process ends.
    pub async fn run(self: Arc<Self>, ended: Arc<Notify>) {
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Ask to be woken before looking, or a delivery that ends in between is noticed late.
            let mut ended = Box::pin(ended.notified());
            ended.as_mut().enable();
            let now = self.clock.now();
            if Timestamp::from_micros(self.last_parked.load(Ordering::SeqCst)) >= now.before(YOUNG) {
                self.look(now.before(YOUNG)).await;
            }
            tokio::select! {
                biased;
                () = ended => {}
                _ = sweep.tick() => self.look(Timestamp::from_micros(i64::MIN)).await,
            }
            tokio::time::sleep(BREATH).await;
        }
    }

    async fn look(&self, since: Timestamp) {
        if let Err(error) = self.apply_parked(since).await {
            tracing::error!(error = chain(&error), "parked receipts could not be applied; they stay parked");
        }
    }

    /// Applies what was parked at `since` or later and whose delivery has ended; returns how many were taken up.
    pub async fn apply_parked(&self, since: Timestamp) -> Result<usize, Error> {
        let mut taken_up = 0;
        loop {
            let ripe = self.store.ripe(since, AT_ONCE).await?;
            for parked in &ripe {
                let Parked { provider, receipt, heard_at, .. } = parked;
                let outcome =
                    self.apply(&IncomingReceipt { provider, receipt, at: *heard_at, parked: Some(parked) }).await?;
                count(provider, Some(receipt.status), outcome);
            }
            taken_up += ripe.len();
            if ripe.len() < AT_ONCE as usize {
                return Ok(taken_up);
            }
        }
    }

    // One at a time: whoever commits codes then waits for one receipt at most. Returns the name of what came of it.
    async fn apply(&self, heard: &IncomingReceipt<'_>) -> Result<&'static str, Error> {
        let _turn = self.turn.lock().await;
        for _ in 0..ROUNDS {
            if let Some(outcome) = self.try_to_apply(heard).await? {
                return Ok(outcome);
            }
        }
        self.forget(heard, "unknown").await
    }

    // Nothing when the delivery changed meanwhile.
    async fn try_to_apply(&self, heard: &IncomingReceipt<'_>) -> Result<Option<&'static str>, Error> {
        let IncomingReceipt { provider, receipt, .. } = heard;
        let Some(delivery) = self.store.reported(provider, &receipt.reference).await? else {
            return self.park(heard, None).await;
        };
        if delivery.state == DeliveryState::Open {
            return self.park(heard, Some(&delivery)).await;
        }
        let Some(attempt) = about(&delivery, heard) else {
            return self.forget(heard, "other_provider").await.map(Some);
        };
        match next(delivery.state, receipt.status, carries(&delivery, attempt)) {
            Transition::To(to) => {
                self.confirm(heard, Confirmation { delivery: &delivery, attempt, status: receipt.status, to }).await
            }
            Transition::Wait => self.park(heard, Some(&delivery)).await,
            Transition::Repeats => self.forget(heard, "repeated").await.map(Some),
            Transition::TooLate => self.forget(heard, "too_late").await.map(Some),
        }
    }

    async fn confirm(
        &self,
        heard: &IncomingReceipt<'_>,
        change: Confirmation<'_>,
    ) -> Result<Option<&'static str>, Error> {
        let (id, to, channel) = (change.delivery.id, change.to, change.attempt.channel.name());
        let (took, asked_at) = (heard.at.since(change.delivery.received_at), change.attempt.started_at);
        if !self.store.confirm(change, heard.parked).await? {
            return Ok(None);
        }
        if to == DeliveryState::Confirmed {
            metrics::histogram!("otpost_time_to_deliver_seconds", "channel" => channel).record(took.as_secs_f64());
        }
        if to == DeliveryState::ExpiredByProvider {
            metrics::counter!("otpost_deadline_missed_total", "stage" => "provider").increment(1);
        }
        self.registry.hear(heard.provider, asked_at);
        tracing::debug!(delivery.id = %id, provider = %heard.provider, state = to.name(), "a receipt came");
        Ok(Some("applied"))
    }

    async fn park(
        &self,
        heard: &IncomingReceipt<'_>,
        delivery: Option<&Reported>,
    ) -> Result<Option<&'static str>, Error> {
        if heard.parked.is_some() {
            return Ok(None);
        }
        // Before it is parked: the delivery may end, and be told of, right after.
        self.last_parked.fetch_max(self.clock.now().micros(), Ordering::SeqCst);
        let parked = self.store.park(heard.provider, heard.receipt, delivery.map(|delivery| delivery.id)).await?;
        Ok(parked.then_some(if delivery.is_some() { "parked" } else { "unknown" }))
    }

    async fn forget(&self, heard: &IncomingReceipt<'_>, outcome: &'static str) -> Result<&'static str, Error> {
        if let Some(parked) = heard.parked {
            self.store.unpark(parked).await?;
        }
        Ok(outcome)
    }
}

fn about<'a>(delivery: &'a Reported, heard: &IncomingReceipt<'_>) -> Option<&'a Attempt> {
    let named = |attempt: &&Attempt| {
        let theirs = matches!(&attempt.outcome,
            Outcome::Accepted { reference: Some(reference) } if *reference == heard.receipt.reference);
        attempt.provider == *heard.provider && (delivery.by_our_id || theirs)
    };
    delivery.attempts.iter().rev().find(named)
}

fn carries(delivery: &Reported, attempt: &Attempt) -> bool {
    let taken = |it: &&Attempt| matches!(it.outcome, Outcome::Accepted { .. } | Outcome::Unknown { .. });
    delivery.attempts.iter().rev().find(taken).is_none_or(|last| last.number == attempt.number)
}

fn count_unfit(provider: &ProviderName, unfit: ReceiptRejection) {
    let (signature, outcome) = match unfit {
        ReceiptRejection::Unsigned => ("invalid", "refused"),
        ReceiptRejection::Untimely => ("untimely", "refused"),
        ReceiptRejection::Malformed => ("valid", "malformed"),
    };
    note(provider, "none", signature, outcome);
}

fn count(provider: &ProviderName, status: Option<ReceiptStatus>, outcome: &'static str) {
    note(provider, status.map_or("none", ReceiptStatus::name), "valid", outcome);
}

fn note(provider: &ProviderName, status: &'static str, signature: &'static str, outcome: &'static str) {
    let provider = provider.0.clone();
    metrics::counter!("otpost_receipts_total", "provider" => provider, "status" => status, "signature" => signature,
        "outcome" => outcome)
    .increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: [DeliveryState; 3] =
        [DeliveryState::Confirmed, DeliveryState::Undelivered, DeliveryState::ExpiredByProvider];

    #[test]
    fn a_receipt_leads_from_every_state_where_the_table_says() {
        use Transition::{Repeats, To, TooLate, Wait};
        let to = [To(DeliveryState::Confirmed), To(DeliveryState::Undelivered), To(DeliveryState::ExpiredByProvider)];
        let arrived = [To(DeliveryState::Confirmed), TooLate, TooLate];
        for (state, carried, not_carried) in [
            (DeliveryState::Open, [Wait; 3], [Wait; 3]),
            (DeliveryState::Sent, to, arrived),
            (DeliveryState::Unconfirmed, to, arrived),
            (DeliveryState::Undeliverable, arrived, arrived),
            (DeliveryState::Expired, arrived, arrived),
            (DeliveryState::Superseded, arrived, arrived),
            (DeliveryState::NotSent, [TooLate; 3], [TooLate; 3]),
            (DeliveryState::Confirmed, [Repeats, TooLate, TooLate], [Repeats, TooLate, TooLate]),
            (DeliveryState::Undelivered, [TooLate, Repeats, TooLate], [TooLate, Repeats, TooLate]),
            (DeliveryState::ExpiredByProvider, [TooLate, TooLate, Repeats], [TooLate, TooLate, Repeats]),
        ] {
            assert_eq!(ReceiptStatus::ALL.map(|status| next(state, status, true)), carried, "{state}");
            assert_eq!(ReceiptStatus::ALL.map(|status| next(state, status, false)), not_carried, "{state}");
        }
    }

    #[test]
    fn no_receipt_leads_back_or_out_of_a_providers_last_word() {
        for (state, status) in
            DeliveryState::ALL.into_iter().flat_map(|state| ReceiptStatus::ALL.map(|status| (state, status)))
        {
            for carries in [true, false] {
                let Transition::To(to) = next(state, status, carries) else { continue };
                assert!(ENDS.contains(&to) && !ENDS.contains(&state), "{state} to {to}");
            }
        }
    }
}
