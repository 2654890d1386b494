//! Tells the operator's systems what became of each delivery: it follows the audit log, whose events are written together with the
//! changes that they record, so that no change is missed and none is reported that did not happen.
//!
//! Each event is sent until it is taken, so it may arrive more than once, with the same `webhook-id`. Events of one delivery are sent
//! one after the other. Nothing waits for this task but itself. An event holds no contact and no code.

mod event;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;

use crate::channel::webhook::status_endpoint::{Settings, StatusEndpoint};
use crate::domain::chain;
use crate::domain::clock::{Clocks, Timestamp};
use crate::store::audit_events::{EventFilter, EventScope};
use crate::store::audit_tree::LoggedEvent;
use crate::store::{Error, Store};
use event::{DeliveryEvents, StatusEvent, events_of};

pub use event::STATUSES;

/// The outcome of an attempt to send an event.
pub const OUTCOMES: [&str; 3] = ["taken", "failed", "given_up"];

/// Audit events that are read at once. After a crash as many may be sent again.
const EVENTS: u32 = 256;

/// How long the log is left alone when all of it was reported.
const IDLE: Duration = Duration::from_millis(500);

/// How long a step that the database failed waits for its repetition.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// An endpoint that took nothing gets events again after this time, and after twice as long each further time.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_mins(5);

/// The name of the endpoint in the database, where it is kept how far the log was reported.
const PLACE: &str = "status_events";

/// Sends status events to one endpoint.
pub struct StatusSender {
    store: Arc<Store>,
    clocks: Clocks,
    endpoint: StatusEndpoint,
    max_in_flight: usize,
    give_up_after: Duration,
}

/// The result of a round over the deliveries that have events to send.
#[derive(Default)]
struct Round {
    taken: AtomicUsize,
    failed: AtomicUsize,
}

impl Round {
    /// Whether the endpoint seems to be down, so that the rest of the round is spared.
    fn seems_down(&self, max_in_flight: usize) -> bool {
        self.taken.load(Ordering::Relaxed) == 0 && self.failed.load(Ordering::Relaxed) >= max_in_flight
    }
}

/// Checks the settings, without contacting the endpoint; `None` if none is configured.
///
/// # Errors
/// A sentence that names the key, and what was expected there.
pub fn configured(settings: &Settings) -> Result<Option<StatusEndpoint>, String> {
    if !settings.is_configured() {
        return Ok(None);
    }
    StatusEndpoint::new(settings).map(Some).map_err(|error| format!("events: {}", error.what))
}

impl StatusSender {
    pub fn new(store: Arc<Store>, clocks: Clocks, endpoint: StatusEndpoint, settings: &Settings) -> Self {
        let (max_in_flight, give_up_after) = (settings.max_in_flight, settings.give_up_after);
        Self { store, clocks, endpoint, max_in_flight, give_up_after }
    }

    /// Tells events until the process ends.
    pub async fn run(self) {
        metrics::gauge!("otpost_status_events_lag_seconds").set(0.0);
        let mut is_failing = false;
        loop {
            let pause = match self.step().await {
                Ok(true) => Duration::ZERO,
                Ok(false) => IDLE,
                Err(error) => {
                    if !is_failing {
                        tracing::error!(error = chain(&error), "status events cannot be read; tried again");
                    }
                    is_failing = true;
                    AFTER_FAILURE
                }
            };
            is_failing &= pause == AFTER_FAILURE;
            tokio::time::sleep(pause).await;
        }
    }

    // Tells the next events. Whether there are more.
    async fn step(&self) -> Result<bool, Error> {
        let position = self.position().await?;
        let logged = self.store.audit_tree().logged_events(position, EVENTS).await?;
        let Some(last) = logged.last().map(|it| number(it.line.seq)) else { return Ok(false) };
        let is_all = last - position < u64::from(EVENTS);
        self.send_all(self.by_delivery(&logged).await?).await;
        self.store.audit_tree().keep_publication(PLACE, last, self.clocks.steady.now()).await?;
        Ok(!is_all)
    }

    /// The number of the last event that was reported. What happened before status events were configured is not reported.
    async fn position(&self) -> Result<u64, Error> {
        if let Some((position, _)) = self.store.audit_tree().last_publication(PLACE).await? {
            return Ok(position);
        }
        let newest = self.store.audit_events().find(&EventFilter::newest(EventScope::All, 1)).await?;
        let newest = newest.events.first().map_or(0, |it| number(it.line.seq));
        self.store.audit_tree().keep_publication(PLACE, newest, self.clocks.steady.now()).await?;
        Ok(newest)
    }

    async fn by_delivery(&self, logged: &[LoggedEvent]) -> Result<Vec<DeliveryEvents>, Error> {
        let mut all = events_of(logged);
        let ids: Vec<_> = all.iter().map(|it| it.delivery).collect();
        let senders = if ids.is_empty() { Vec::new() } else { self.store.reports().senders(&ids).await? };
        for it in &mut all {
            it.sender = senders.iter().find(|sender| sender.delivery == it.delivery).cloned();
        }
        Ok(all)
    }

    // Round after round, until each event was taken or given up.
    async fn send_all(&self, mut waiting: Vec<DeliveryEvents>) {
        let mut pause = RETRY_MIN;
        let mut is_failing = false;
        while !waiting.is_empty() {
            let round = Round::default();
            let sent = stream::iter(waiting).map(|it| self.tell_delivery(it, &round));
            let results: Vec<_> = sent.buffer_unordered(self.max_in_flight).collect().await;
            let asked = results.iter().filter_map(|(_, asked)| *asked).max();
            waiting = results.into_iter().map(|(left, _)| left).filter(|left| !left.events.is_empty()).collect();
            self.observe_lag(&waiting);
            if waiting.is_empty() {
                break;
            }
            is_failing = true;
            if round.taken.into_inner() > 0 {
                pause = RETRY_MIN;
            }
            tokio::time::sleep(asked.unwrap_or_default().max(pause)).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
        if is_failing {
            tracing::info!("the status events that waited were taken");
        }
    }

    // The events that are left, and how long the endpoint asks to be left alone.
    async fn tell_delivery(&self, mut waiting: DeliveryEvents, round: &Round) -> (DeliveryEvents, Option<Duration>) {
        while let Some(event) = waiting.events.front() {
            if round.seems_down(self.max_in_flight) {
                break;
            }
            let body = waiting.body(event).to_string();
            let id = waiting.id(event);
            let Err(failure) = self.endpoint.post(&id, &body, self.clocks.wall.now()).await else {
                round.taken.fetch_add(1, Ordering::Relaxed);
                count(event, "taken");
                waiting.events.pop_front();
                continue;
            };
            count(event, "failed");
            let age = self.clocks.steady.now().since(event.at);
            if age >= self.give_up_after {
                count(event, "given_up");
                let (delivery, status) = (waiting.delivery, event.status.name());
                tracing::error!(delivery.id = %delivery, status, error = chain(&failure), "a status event was given up");
                waiting.events.pop_front();
                continue;
            }
            if round.failed.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::warn!(error = chain(&failure), "status events are not taken; tried again");
            }
            return (waiting, failure.retry_after);
        }
        (waiting, None)
    }

    fn observe_lag(&self, waiting: &[DeliveryEvents]) {
        let oldest: Option<Timestamp> = waiting.iter().filter_map(|it| it.events.front()).map(|it| it.at).min();
        let lag = oldest.map_or(0.0, |at| self.clocks.steady.now().since(at).as_secs_f64());
        metrics::gauge!("otpost_status_events_lag_seconds").set(lag);
    }
}

fn count(event: &StatusEvent, outcome: &'static str) {
    metrics::counter!("otpost_status_events_total", "status" => event.status.name(), "outcome" => outcome).increment(1);
}

fn number(seq: i64) -> u64 {
    u64::try_from(seq).unwrap_or(0)
}
