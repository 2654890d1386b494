//! Takes a notification once: commits it, hands it to the worker, and only then lets the door say yes.
//!
//! It never talks to a provider and never waits for one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::worker::Worker;
use crate::domain::clock::Clock;
use crate::domain::notification::{ClientName, Content, Notification, NotificationId, Priority, Warning};
use crate::domain::recipient::Identifier;
use crate::route::Plans;
use crate::store::{Acceptance, Accepted, Dedupe, Error, Store};

/// How long a key is remembered.
const KEY_KEPT: Duration = Duration::from_hours(72);

/// How long an event that carries its own date, but came without a key, counts as the same event.
const FIELDS_KEPT: Duration = Duration::from_hours(24);

/// News that are committed at once. It fills a batch on any disk, and what is beyond it would only be a longer line for
/// codes to stand in: however many news wait, a code has no more than these before it.
const NEWS_AT_ONCE: usize = 64;

/// How long news wait for their turn. Their sender may not wait much longer either, and is better told.
const NEWS_WAIT: Duration = Duration::from_secs(1);

/// What a door has read and checked.
#[derive(Debug)]
pub struct IncomingNotification {
    /// Who sent it.
    pub client: ClientName,
    /// The path it came to.
    pub endpoint: &'static str,
    /// The key it came with.
    pub idempotency_key: Option<String>,
    /// Whom it concerns.
    pub subjects: Vec<Identifier>,
    /// What it says.
    pub content: Content,
    /// What was odd about it.
    pub warnings: Vec<Warning>,
}

/// It is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntakeResult {
    /// For the first time.
    Taken(NotificationId),
    /// It was already.
    Replayed(NotificationId),
}

/// It is not.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The key came before with other fields.
    #[error("the idempotency key was used for another notification")]
    KeyReused,
    /// It could not be committed.
    #[error("the notification cannot be taken now")]
    Unavailable(#[source] Error),
}

/// The way in.
#[derive(Clone)]
pub struct Intake {
    store: Arc<Store>,
    worker: Arc<Worker>,
    plans: Arc<Plans>,
    clock: Arc<dyn Clock>,
    turns: Arc<Semaphore>,
}

impl Intake {
    /// Takes notifications into `store` and hands them to `worker`.
    pub fn new(store: Arc<Store>, worker: Arc<Worker>, plans: Arc<Plans>, clock: Arc<dyn Clock>) -> Self {
        Self { store, worker, plans, clock, turns: Arc::new(Semaphore::new(NEWS_AT_ONCE)) }
    }

    /// Commits what arrived, once. When this returns an [`IntakeResult`] it is on disk.
    pub async fn take(&self, arrival: IncomingNotification) -> Result<IntakeResult, IntakeError> {
        let turn = self.turn(arrival.content.kind().priority()).await?;
        // A task of its own: a door drops its handler when the sender hangs up, and a commit whose work is then
        // handed to nobody would wait for its lease to run out. It runs where writer and worker do, so that a
        // notification changes threads once on its way in and once on its way out.
        let commit = self.clone().commit(arrival);
        let taken = self.worker.runtime().spawn(async move {
            let _turn = turn;
            commit.await
        });
        taken.await.unwrap_or(Err(IntakeError::Unavailable(Error::Stopped)))
    }

    // Codes never wait here.
    async fn turn(&self, lane: Priority) -> Result<Option<OwnedSemaphorePermit>, IntakeError> {
        if lane == Priority::Otp {
            return Ok(None);
        }
        let turn = tokio::time::timeout(NEWS_WAIT, Arc::clone(&self.turns).acquire_owned()).await;
        turn.ok().and_then(Result::ok).map(Some).ok_or(IntakeError::Unavailable(Error::Busy))
    }

    async fn commit(self, arrival: IncomingNotification) -> Result<IntakeResult, IntakeError> {
        let IncomingNotification { client, endpoint, idempotency_key, subjects, content, warnings } = arrival;
        let kind = content.kind();
        let dedupe = dedupe(idempotency_key, &content);
        let received_at = self.clock.now();
        let id = NotificationId(self.store.next_id());
        // With no room in memory it is accepted all the same: the scan finds it in the table.
        let slot = self.worker.reserve(kind.priority());
        let accepted = self.store.accept(Acceptance {
            notification: Notification { id, client, received_at, subjects, content, warnings },
            expires_at: received_at.after(self.plans.ttl(kind)),
            dedupe,
            endpoint,
            leased: slot.is_some(),
        });
        match accepted.await.map_err(IntakeError::Unavailable)? {
            Accepted::New(work) => {
                if let (Some(claimed), Some(slot)) = (work, slot) {
                    self.worker.take(*claimed, slot);
                }
                Ok(IntakeResult::Taken(id))
            }
            Accepted::Replay(first) => {
                metrics::counter!("otpost_idempotency_replays_total").increment(1);
                Ok(IntakeResult::Replayed(first))
            }
            Accepted::KeyReused(first) => {
                tracing::warn!(notification.id = %first, "an idempotency key came again with another body");
                Err(IntakeError::KeyReused)
            }
        }
    }
}

// A repeated code without a key may be a resend that somebody asked for, and a check of an identity may come to the
// same end twice; a dated lock, or the same stage of the same payment, is the same event.
fn dedupe(key: Option<String>, content: &Content) -> Dedupe {
    match (key, content) {
        (Some(key), _) => Dedupe::ByKey(key, KEY_KEPT),
        (None, Content::Otp(_) | Content::Verification(_)) => Dedupe::Never,
        (
            None,
            Content::CardLocked(_) | Content::CardUnlocked(_) | Content::TransactionalLock(_) | Content::Transaction(_),
        ) => Dedupe::ByFields(FIELDS_KEPT),
    }
}
