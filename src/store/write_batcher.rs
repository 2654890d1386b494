//! Group commit: one task takes whatever waits, commits it with one sync, and answers all of it.
//!
//! No timer: a change that waits alone is committed alone and at once; under load the batch is what arrived
//! during the last sync. It knows no SQL and no secrets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::fatal_error::FatalError;
use super::priority_queue;
use super::priority_queue::{PriorityReceiver, PrioritySender};
use super::rows::{AcceptResult, AcceptRows, Batch, Change, Committed, SettleResult, SettleRows};
use super::{Backend, Error};
use crate::domain::chain;
use crate::domain::clock::Clock;

/// Changes that may wait in each lane. A processor that is told 503 loses the message, one that waits for seconds does too.
const QUEUE: usize = 4096;

/// Changes in one transaction: beyond this a batch gets no faster and its first waiter only waits longer.
const BATCH: usize = 512;

/// Between two tries to write what became of a message.
const SETTLE_AGAIN: Duration = Duration::from_millis(100);

/// The way to the writer task.
pub(super) struct WriteBatcher {
    queue: PrioritySender<Change>,
    failure: Arc<FatalError>,
    unwritten: AtomicUsize,
}

impl WriteBatcher {
    /// Starts the task on the current runtime. It ends when the last [`WriteBatcher`] is dropped.
    pub(super) fn start(backend: Arc<dyn Backend>, clock: Arc<dyn Clock>, failure: Arc<FatalError>) -> Self {
        let (queue, changes) = priority_queue::open(QUEUE);
        tokio::spawn(run(changes, backend, clock, Arc::clone(&failure)));
        Self { queue, failure, unwritten: AtomicUsize::new(0) }
    }

    /// Commits a new notification. A full queue is an error at once: waiting would only be a slower one.
    pub(super) async fn accept(&self, rows: AcceptRows) -> Result<AcceptResult, Error> {
        self.check()?;
        let (answer, answered) = oneshot::channel();
        self.queue.lane(rows.kind.priority()).try_send(Change::Accept(rows, answer)).map_err(
            |refused| match refused {
                mpsc::error::TrySendError::Full(_) => Error::Busy,
                mpsc::error::TrySendError::Closed(_) => Error::Stopped,
            },
        )?;
        answered.await.map_err(|_| Error::Stopped)?
    }

    /// Commits a step of a delivery. It waits for room in the queue, and until a disk that is full has room: what became
    /// of a message must not be lost, or it is sent again.
    pub(super) async fn settle(&self, rows: SettleRows) -> Result<SettleResult, Error> {
        let settled = self.settle_once(rows.clone()).await;
        if !matches!(settled, Err(Error::NotCommitted)) {
            return settled;
        }
        let _unwritten = Unwritten::counted(&self.unwritten);
        loop {
            tokio::time::sleep(SETTLE_AGAIN).await;
            let settled = self.settle_once(rows.clone()).await;
            if !matches!(settled, Err(Error::NotCommitted)) {
                return settled;
            }
        }
    }

    /// Whether what became of a message could not be written yet: meanwhile its lease may end, but nobody died.
    pub(super) fn is_behind(&self) -> bool {
        self.unwritten.load(Ordering::Relaxed) > 0
    }

    async fn settle_once(&self, rows: SettleRows) -> Result<SettleResult, Error> {
        self.check()?;
        let (answer, answered) = oneshot::channel();
        self.queue.lane(rows.priority).send(Change::Settle(rows, answer)).await.map_err(|_| Error::Stopped)?;
        answered.await.map_err(|_| Error::Stopped)?
    }

    /// Resolves when the database has failed in a way after which nothing may be accepted any more.
    pub(super) async fn failed(&self) -> String {
        self.failure.told().await
    }

    /// Whether the database has failed for good.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_there()
    }

    fn check(&self) -> Result<(), Error> {
        if self.has_failed() { Err(Error::Stopped) } else { Ok(()) }
    }
}

/// Counts one that waits, for as long as it does.
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
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    failure: Arc<FatalError>,
) {
    let mut waiting = Vec::with_capacity(BATCH);
    while queue.take(&mut waiting, BATCH).await {
        if failure.is_there() {
            waiting.drain(..).for_each(|change| refuse(change, || Error::Stopped));
            continue;
        }
        let began = Instant::now();
        let committed = backend.commit(&batch(&waiting), clock.now()).await;
        note(waiting.len(), began.elapsed());
        match committed {
            Ok(committed) => answer(&mut waiting, committed),
            Err(error) => {
                // Retrying a commit after a failed sync is known to be unsafe: the pages may be gone from the cache.
                if error.is_final() {
                    failure.note(&error);
                }
                tracing::error!(error = chain(&error), "a batch of {} changes was not committed", waiting.len());
                waiting.drain(..).for_each(|change| refuse(change, || Error::NotCommitted));
            }
        }
    }
}

fn note(changes: usize, took: Duration) {
    metrics::histogram!("otpost_store_commit_changes").record(f64::from(u32::try_from(changes).unwrap_or(u32::MAX)));
    metrics::histogram!("otpost_store_commit_duration_seconds").record(took.as_secs_f64());
}

fn batch(waiting: &[Change]) -> Batch<'_> {
    let mut batch = Batch::default();
    for change in waiting {
        match change {
            Change::Accept(rows, _) => batch.accepts.push(rows),
            Change::Settle(rows, _) => batch.settles.push(rows),
        }
    }
    batch
}

// Whoever asked may have gone away meanwhile (a closed connection): the change is committed all the same.
fn answer(waiting: &mut Vec<Change>, committed: Committed) {
    let mut verdicts = committed.verdicts.into_iter();
    let mut settled = committed.settled.into_iter();
    for change in waiting.drain(..) {
        match change {
            Change::Accept(_, asker) => drop(asker.send(verdicts.next().ok_or(Error::NotCommitted))),
            Change::Settle(_, asker) => drop(asker.send(settled.next().ok_or(Error::NotCommitted))),
        }
    }
}

fn refuse(change: Change, why: impl Fn() -> Error) {
    match change {
        Change::Accept(_, asker) => drop(asker.send(Err(why()))),
        Change::Settle(_, asker) => drop(asker.send(Err(why()))),
    }
}
