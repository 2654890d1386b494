//! Applies delivery receipts: verifies and parses a callback, finds the delivery, and changes its state or parks the
//! receipt.
//!
//! The state changes are a pure table, [`transition`]. A message that was not delivered is a failed attempt: while time is
//! left, the delivery goes on with its next candidate. A receipt may arrive before its delivery is settled, because some
//! providers send it before they answer. It is then parked in the store and applied as soon as the run of the delivery has
//! ended, also after a crash. The answer to the provider never says what a receipt changed. Where receipts
//! come from is in `sources`.

mod sources;
pub mod transition;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, Notify};
use tokio::time::MissedTickBehavior;

use super::providers::registry::ProviderRegistry;
use crate::channel::receipt_feed::ReceiptSource;
use crate::domain::chain;
use crate::domain::clock::{Clock, Clocks, Timestamp};
use crate::domain::delivery::{Attempt, DeliveryState, ProviderName};
use crate::domain::outcome::Outcome;
use crate::domain::receipt::{Callback, Receipt, ReceiptBatch, ReceiptRejection, ReceiptStatus};
use crate::store::{Confirmation, Error, Parked, Reported, Store};
pub use sources::ReceiptSources;
use transition::{Known, Transition, next};

/// How often a receipt is tried when its delivery changes in between.
const TRIES: usize = 4;

/// How often all parked receipts are checked, for those that were parked long ago or by a process that crashed.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Receipts that were parked within this time are checked whenever a delivery ends.
const RECENT: Duration = Duration::from_mins(1);

/// The pause between two checks: under load one check serves many deliveries.
const CHECK_PAUSE: Duration = Duration::from_millis(50);

/// Parked receipts that are read at once.
const BATCH: u32 = 100;

/// What becomes of an authentic receipt, by the names that metrics give.
pub const OUTCOMES: [&str; 7] = ["applied", "noted", "repeated", "too_late", "parked", "unknown", "failed"];

/// Why a callback is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    /// No provider of that name sends receipts.
    #[error("no provider of that name sends receipts")]
    UnknownProvider,
    /// It is not a valid receipt.
    #[error(transparent)]
    Rejected(#[from] ReceiptRejection),
    /// It cannot be committed now; the provider should retry.
    #[error("the receipt could not be committed")]
    Unavailable(#[from] Error),
}

/// Accepts receipts and applies them.
pub struct Receipts {
    store: Arc<Store>,
    sources: ArcSwap<ReceiptSources>,
    /// Notifies its waiter when the sources were replaced.
    replaced: Notify,
    registry: Arc<ProviderRegistry>,
    clock: Arc<dyn Clock>,
    wall: Arc<dyn Clock>,
    applying: Mutex<()>,
    last_parked: AtomicI64,
}

struct IncomingReceipt<'a> {
    provider: &'a ProviderName,
    receipt: &'a Receipt,
    at: Timestamp,
    parked: Option<&'a Parked>,
}

impl Receipts {
    /// Accepts receipts of the providers in `sources` and reports them to `registry`.
    pub fn new(store: Arc<Store>, sources: ReceiptSources, registry: Arc<ProviderRegistry>, clocks: Clocks) -> Self {
        let Clocks { steady: clock, wall } = clocks;
        registry.expect_receipts(sources.keys());
        // Receipts that the previous process parked shortly before count as recent too.
        let last_parked = AtomicI64::new(clock.now().micros());
        Self {
            store,
            sources: ArcSwap::from_pointee(sources),
            replaced: Notify::new(),
            registry,
            clock,
            wall,
            applying: Mutex::new(()),
            last_parked,
        }
    }

    /// The wall-clock time for a [`Callback`], whose signature may contain a date.
    pub fn now(&self) -> Timestamp {
        self.wall.now()
    }

    /// Accepts a callback of `provider`. When this returns, everything that it changes is on disk.
    pub async fn accept(self: Arc<Self>, provider: &str, callback: &Callback<'_>) -> Result<(), CallbackError> {
        let provider = ProviderName(provider.to_owned());
        let Some(ReceiptSource::Callbacks(parser)) = self.sources.load().get(&provider).cloned() else {
            return Err(CallbackError::UnknownProvider);
        };
        let batch = parser.receipts(callback).inspect_err(|rejection| count_rejection(&provider, *rejection))?;
        Ok(self.take(provider, batch).await?)
    }

    /// Applies authentic receipts. When this returns, everything that they change is on disk.
    async fn take(self: Arc<Self>, provider: ProviderName, batch: ReceiptBatch) -> Result<(), Error> {
        let ReceiptBatch { receipts, unreadable } = batch;
        if unreadable > 0 {
            tracing::warn!(%provider, unreadable, "receipts that could not be read were skipped");
            (0..unreadable).for_each(|_| count(&provider, None, "malformed"));
        }
        if receipts.is_empty() {
            count(&provider, None, "not_final");
        }
        let at = self.clock.now();
        // In its own task: a provider that disconnects must not abort a write in the middle.
        let applied = tokio::spawn(async move { self.apply_all(&provider, &receipts, at).await });
        applied.await.map_err(|_| Error::Stopped)?
    }

    async fn apply_all(&self, provider: &ProviderName, receipts: &[Receipt], at: Timestamp) -> Result<(), Error> {
        for receipt in receipts {
            let outcome = self.apply(&IncomingReceipt { provider, receipt, at, parked: None }).await;
            let outcome = outcome.inspect_err(|_| count(provider, Some(receipt.status), "failed"))?;
            count(provider, Some(receipt.status), outcome);
        }
        Ok(())
    }

    /// Applies parked receipts, at once and whenever a delivery has `ended`, until the process ends.
    pub async fn run(self: Arc<Self>, ended: Arc<Notify>) {
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Subscribe before the check, or a delivery that ends in between is noticed late.
            let mut ended = Box::pin(ended.notified());
            ended.as_mut().enable();
            let now = self.clock.now();
            if Timestamp::from_micros(self.last_parked.load(Ordering::SeqCst)) >= now.before(RECENT) {
                self.check(now.before(RECENT)).await;
            }
            tokio::select! {
                biased;
                () = ended => {}
                _ = sweep.tick() => self.check(Timestamp::from_micros(i64::MIN)).await,
            }
            tokio::time::sleep(CHECK_PAUSE).await;
        }
    }

    async fn check(&self, since: Timestamp) {
        if let Err(error) = self.apply_parked(since).await {
            tracing::error!(error = chain(&error), "parked receipts could not be applied; they stay parked");
        }
    }

    /// Applies receipts that were parked at `since` or later and need not wait any longer; returns how many there were.
    pub async fn apply_parked(&self, since: Timestamp) -> Result<usize, Error> {
        let mut count_applied = 0;
        loop {
            let ready = self.store.receipts().applicable(since, BATCH).await?;
            for parked in &ready {
                let Parked { provider, receipt, received_at, .. } = parked;
                let outcome =
                    self.apply(&IncomingReceipt { provider, receipt, at: *received_at, parked: Some(parked) }).await?;
                count(provider, Some(receipt.status), outcome);
            }
            count_applied += ready.len();
            if ready.len() < BATCH as usize {
                return Ok(count_applied);
            }
        }
    }

    // One at a time, so that the commit of an OTP waits for one receipt at most. Returns the outcome as metrics name it.
    async fn apply(&self, incoming: &IncomingReceipt<'_>) -> Result<&'static str, Error> {
        let _guard = self.applying.lock().await;
        for _ in 0..TRIES {
            if let Some(outcome) = self.try_to_apply(incoming).await? {
                return Ok(outcome);
            }
        }
        self.forget(incoming, "unknown").await
    }

    // `None` when the delivery changed meanwhile.
    async fn try_to_apply(&self, incoming: &IncomingReceipt<'_>) -> Result<Option<&'static str>, Error> {
        let IncomingReceipt { provider, receipt, .. } = incoming;
        let Some(delivery) = self.store.receipts().reported(provider, &receipt.reference).await? else {
            return self.park(incoming, None).await;
        };
        if delivery.is_leased {
            return self.wait(incoming, &delivery).await;
        }
        let Some(attempt) = about(&delivery, incoming) else {
            return self.forget(incoming, "other_provider").await.map(Some);
        };
        match next(self.known(&delivery, attempt), receipt.status) {
            Transition::To(to) => {
                self.confirm(
                    incoming,
                    Confirmation {
                        delivery: &delivery,
                        attempt,
                        receipt,
                        to,
                        parked: incoming.parked,
                        at: self.clock.now(),
                    },
                )
                .await
            }
            Transition::Wait => self.wait(incoming, &delivery).await,
            Transition::Repeats => self.forget(incoming, "repeated").await.map(Some),
            Transition::TooLate => self.forget(incoming, "too_late").await.map(Some),
        }
    }

    fn known(&self, delivery: &Reported, attempt: &Attempt) -> Known {
        Known {
            state: delivery.state,
            is_leased: delivery.is_leased,
            can_go_on: delivery.has_content && self.clock.now() < delivery.expires_at,
            is_latest: is_latest(delivery, attempt),
            failure: attempt.failure,
        }
    }

    async fn confirm(
        &self,
        incoming: &IncomingReceipt<'_>,
        change: Confirmation<'_>,
    ) -> Result<Option<&'static str>, Error> {
        let (id, to, channel) = (change.delivery.id, change.to, change.attempt.channel.name());
        let (took, sent_at) = (incoming.at.since(change.delivery.received_at), change.attempt.started_at);
        let (before, attempt) = (change.delivery.state, change.attempt.number);
        if !self.store.receipts().confirm(&change).await? {
            return Ok(None);
        }
        if to == DeliveryState::Confirmed {
            metrics::histogram!("otpost_time_to_deliver_seconds", "channel" => channel).record(took.as_secs_f64());
        }
        if to == DeliveryState::ExpiredByProvider {
            metrics::counter!("otpost_deadline_missed_total", "stage" => "provider").increment(1);
        }
        self.registry.on_receipt(incoming.provider, sent_at);
        let (provider, status) = (incoming.provider, incoming.receipt.status.name());
        match to {
            DeliveryState::Open => {
                tracing::warn!(delivery.id = %id, %provider, attempt, status, "message not delivered; the next candidate is tried");
            }
            DeliveryState::Undelivered | DeliveryState::ExpiredByProvider => {
                tracing::warn!(delivery.id = %id, %provider, attempt, status, "message not delivered, and no time is left");
            }
            _ => tracing::debug!(delivery.id = %id, %provider, attempt, state = to.name(), "receipt applied"),
        }
        Ok(Some(if to == before { "noted" } else { "applied" }))
    }

    // The receipt is applied when the run of the delivery has ended. One that is parked stays parked.
    async fn wait(&self, incoming: &IncomingReceipt<'_>, delivery: &Reported) -> Result<Option<&'static str>, Error> {
        if incoming.parked.is_some() { Ok(Some("parked")) } else { self.park(incoming, Some(delivery)).await }
    }

    async fn park(
        &self,
        incoming: &IncomingReceipt<'_>,
        delivery: Option<&Reported>,
    ) -> Result<Option<&'static str>, Error> {
        if incoming.parked.is_some() {
            return Ok(None);
        }
        // Before it is parked, because the delivery may end right after.
        self.last_parked.fetch_max(self.clock.now().micros(), Ordering::SeqCst);
        let parked = self
            .store
            .receipts()
            .park(incoming.provider, incoming.receipt, delivery.map(|delivery| delivery.id), self.clock.now())
            .await?;
        Ok(parked.then_some(if delivery.is_some() { "parked" } else { "unknown" }))
    }

    async fn forget(&self, incoming: &IncomingReceipt<'_>, outcome: &'static str) -> Result<&'static str, Error> {
        if let Some(parked) = incoming.parked {
            self.store.receipts().unpark(parked).await?;
        }
        Ok(outcome)
    }
}

fn about<'a>(delivery: &'a Reported, incoming: &IncomingReceipt<'_>) -> Option<&'a Attempt> {
    let named = |attempt: &&Attempt| {
        let by_reference = matches!(&attempt.outcome,
            Outcome::Accepted { reference: Some(reference) } if *reference == incoming.receipt.reference);
        attempt.provider == *incoming.provider && (delivery.by_our_id || by_reference)
    };
    // By our id it may be any of the provider's attempts: rather one whose message may have arrived.
    let was_sent = |attempt: &&Attempt| attempt.outcome.is_accepted() || attempt.outcome.may_have_arrived();
    let mut attempts = delivery.attempts.iter().filter(named).rev();
    attempts.clone().find(was_sent).or_else(|| attempts.next())
}

fn is_latest(delivery: &Reported, attempt: &Attempt) -> bool {
    let may_have_arrived = |it: &&Attempt| it.is_taken() || it.may_have_arrived();
    delivery.attempts.iter().rev().find(may_have_arrived).is_none_or(|last| last.number == attempt.number)
}

fn count_rejection(provider: &ProviderName, rejection: ReceiptRejection) {
    let (signature, outcome) = match rejection {
        ReceiptRejection::Unsigned => ("invalid", "refused"),
        ReceiptRejection::Untimely => ("untimely", "refused"),
        ReceiptRejection::Malformed => ("valid", "malformed"),
    };
    observe(provider, "none", signature, outcome);
}

fn count(provider: &ProviderName, status: Option<ReceiptStatus>, outcome: &'static str) {
    observe(provider, status.map_or("none", ReceiptStatus::name), "valid", outcome);
}

fn observe(provider: &ProviderName, status: &'static str, signature: &'static str, outcome: &'static str) {
    let provider = provider.0.clone();
    metrics::counter!("otpost_receipts_total", "provider" => provider, "status" => status, "signature" => signature,
        "outcome" => outcome)
    .increment(1);
}
