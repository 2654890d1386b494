//! Group commit: one task takes all changes that wait at the moment, commits them with one sync, and answers all of them.
//!
//! No timer: a change that waits alone is committed alone and at once; under load the batch is what arrived during the
//! last sync. It knows no SQL and no secrets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Error;
use super::fatal_error::FatalError;
use super::priority_queue;
use super::priority_queue::{PriorityReceiver, PrioritySender};
use super::retry::RETRY_PAUSE;
use super::rows::{AcceptResult, AcceptRows, SettleResult, SettleRows};
use crate::domain::chain;
use crate::domain::clock::{Clock, Timestamp};

/// Changes that may wait in each queue. A processor that gets 503 loses the message; one that waits for seconds loses it
/// too.
const QUEUE: usize = 4096;

/// Changes in one transaction: a larger batch commits no faster, and its first change waits longer.
const BATCH: usize = 512;

/// Commits many changes at once.
#[async_trait]
pub(super) trait Batches: Send + Sync {
    /// Commits a batch in one transaction and one sync, or nothing of it. After a temporary error nothing is written, and
    /// the batch may be committed again; when that is unknown, the error is final.
    async fn commit(&self, batch: Batch, now: Timestamp) -> Result<Committed, Error>;
}

/// Changes to commit together.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) accepts: Vec<AcceptRows>,
    pub(super) settles: Vec<SettleRows>,
}

/// Where the results of a batch go, in its order.
#[derive(Default)]
struct Replies {
    accepts: Vec<oneshot::Sender<Result<AcceptResult, Error>>>,
    settles: Vec<oneshot::Sender<Result<SettleResult, Error>>>,
}

/// The results of a batch, in its order.
pub(super) struct Committed {
    pub(super) accepted: Vec<AcceptResult>,
    pub(super) settled: Vec<SettleResult>,
}

enum Change {
    Accept(AcceptRows, oneshot::Sender<Result<AcceptResult, Error>>),
    Settle(SettleRows, oneshot::Sender<Result<SettleResult, Error>>),
}

/// The sender of changes to the writing task.
pub(super) struct WriteBatcher {
    queue: PrioritySender<Change>,
    failure: Arc<FatalError>,
    unwritten: AtomicUsize,
}

impl WriteBatcher {
    /// Starts the task on the current runtime. It ends when the last [`WriteBatcher`] is dropped.
    pub(super) fn start(batches: Arc<dyn Batches>, clock: Arc<dyn Clock>, failure: Arc<FatalError>) -> Self {
        let (queue, changes) = priority_queue::open(QUEUE);
        tokio::spawn(run(changes, batches, clock, Arc::clone(&failure)));
        Self { queue, failure, unwritten: AtomicUsize::new(0) }
    }

    /// Commits a new notification. A full queue is an error at once: the processor would only get the same error later.
    pub(super) async fn accept(&self, rows: AcceptRows) -> Result<AcceptResult, Error> {
        self.check()?;
        let (reply, replied) = oneshot::channel();
        let sent = self.queue.of(rows.kind.priority()).try_send(Change::Accept(rows, reply));
        sent.map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Busy,
            mpsc::error::TrySendError::Closed(_) => Error::Stopped,
        })?;
        replied.await.map_err(|_| Error::Stopped)?
    }

    /// Commits a step of a delivery. It waits for room in the queue, and until a full disk has space: the outcome of an
    /// attempt must not be lost, or the message is sent again.
    pub(super) async fn settle(&self, rows: SettleRows) -> Result<SettleResult, Error> {
        let settled = self.settle_once(rows.clone()).await;
        if !matches!(settled, Err(Error::NotCommitted)) {
            return settled;
        }
        let _unwritten = Unwritten::counted(&self.unwritten);
        loop {
            tokio::time::sleep(RETRY_PAUSE).await;
            let settled = self.settle_once(rows.clone()).await;
            if !matches!(settled, Err(Error::NotCommitted)) {
                return settled;
            }
        }
    }

    /// Whether a settlement is being written again: its lease may expire although its worker is alive.
    pub(super) fn is_behind(&self) -> bool {
        self.unwritten.load(Ordering::Relaxed) > 0
    }

    async fn settle_once(&self, rows: SettleRows) -> Result<SettleResult, Error> {
        self.check()?;
        let (reply, replied) = oneshot::channel();
        self.queue.of(rows.priority).send(Change::Settle(rows, reply)).await.map_err(|_| Error::Stopped)?;
        replied.await.map_err(|_| Error::Stopped)?
    }

    /// Resolves when the database has failed permanently.
    pub(super) async fn failed(&self) -> String {
        self.failure.wait().await
    }

    /// Whether the database has failed permanently.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_set()
    }

    fn check(&self) -> Result<(), Error> {
        if self.has_failed() { Err(Error::Stopped) } else { Ok(()) }
    }
}

/// Counts a settlement that is being written again, until it is dropped.
struct Unwritten<'a>(&'a AtomicUsize);

impl<'a> Unwritten<'a> {
    fn counted(by: &'a AtomicUsize) -> Self {
        by.fetch_add(1, Ordering::Relaxed);
        Self(by)
    }
}

impl Drop for Unwritten<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn run(
    mut queue: PriorityReceiver<Change>,
    batches: Arc<dyn Batches>,
    clock: Arc<dyn Clock>,
    failure: Arc<FatalError>,
) {
    let mut waiting = Vec::with_capacity(BATCH);
    while queue.receive(&mut waiting, BATCH).await {
        let changes = waiting.len();
        let (batch, replies) = split(&mut waiting);
        if failure.is_set() {
            replies.fail(|| Error::Stopped);
            continue;
        }
        let began = Instant::now();
        let committed = batches.commit(batch, clock.now()).await;
        observe(changes, began.elapsed());
        match committed {
            Ok(committed) => replies.send(committed),
            Err(error) => {
                // Retrying a commit after a failed sync is known to be unsafe: the pages may be gone from the cache.
                if error.is_final() {
                    failure.set(&error);
                }
                tracing::error!(error = chain(&error), changes, "a batch was not committed");
                replies.fail(|| Error::NotCommitted);
            }
        }
    }
}

fn observe(changes: usize, took: Duration) {
    metrics::histogram!("otpost_store_commit_changes").record(f64::from(u32::try_from(changes).unwrap_or(u32::MAX)));
    metrics::histogram!("otpost_store_commit_duration_seconds").record(took.as_secs_f64());
}

fn split(waiting: &mut Vec<Change>) -> (Batch, Replies) {
    let (mut batch, mut replies) = (Batch::default(), Replies::default());
    for change in waiting.drain(..) {
        match change {
            Change::Accept(rows, reply) => {
                batch.accepts.push(rows);
                replies.accepts.push(reply);
            }
            Change::Settle(rows, reply) => {
                batch.settles.push(rows);
                replies.settles.push(reply);
            }
        }
    }
    (batch, replies)
}

// A caller may be gone by now, with a closed connection: its change is committed all the same.
impl Replies {
    fn send(self, committed: Committed) {
        self.accepts.into_iter().zip(committed.accepted).for_each(|(reply, result)| drop(reply.send(Ok(result))));
        self.settles.into_iter().zip(committed.settled).for_each(|(reply, result)| drop(reply.send(Ok(result))));
    }

    fn fail(self, error: impl Fn() -> Error) {
        self.accepts.into_iter().for_each(|reply| drop(reply.send(Err(error()))));
        self.settles.into_iter().for_each(|reply| drop(reply.send(Err(error()))));
    }
}
