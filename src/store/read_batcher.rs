//! Group reads: one task takes all lookups that wait at the moment and runs them as one query.
//!
//! A lookup that waits alone runs alone and at once; under load, many deliveries share a trip to the database thread.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Error;
use super::priority_queue;
use super::priority_queue::{PriorityReceiver, PrioritySender};
use super::recipients::SealedRecipients;
use super::rows::{RecipientQuery, RecipientRows};
use crate::domain::chain;
use crate::domain::notification::Priority;

/// Lookups that may wait in each queue. Deliveries in flight, which make them, are bounded too.
const QUEUE: usize = 4096;

/// Lookups in one query.
const BATCH: usize = 256;

type ReadRequest = (RecipientQuery, oneshot::Sender<Result<Vec<RecipientRows>, Error>>);

/// The sender of lookups to the reading task.
#[derive(Clone)]
pub(super) struct ReadBatcher {
    queue: PrioritySender<ReadRequest>,
}

impl ReadBatcher {
    /// Starts the task on the current runtime. It ends when the last [`ReadBatcher`] is dropped.
    pub(super) fn start(recipients: Arc<dyn SealedRecipients>) -> Self {
        let (queue, requests) = priority_queue::open(QUEUE);
        tokio::spawn(run(requests, recipients));
        Self { queue }
    }

    /// The recipients that the query matches.
    pub(super) async fn find(&self, query: RecipientQuery, priority: Priority) -> Result<Vec<RecipientRows>, Error> {
        let (reply, replied) = oneshot::channel();
        self.queue.of(priority).send((query, reply)).await.map_err(|_| Error::Stopped)?;
        replied.await.map_err(|_| Error::Stopped)?
    }
}

async fn run(mut requests: PriorityReceiver<ReadRequest>, recipients: Arc<dyn SealedRecipients>) {
    let mut waiting = Vec::with_capacity(BATCH);
    while requests.receive(&mut waiting, BATCH).await {
        let queries: Vec<RecipientQuery> = waiting.iter().map(|(query, _)| *query).collect();
        match recipients.find(&queries).await {
            Ok(found) => {
                for ((_, reply), rows) in waiting.drain(..).zip(found) {
                    drop(reply.send(Ok(rows)));
                }
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "recipients could not be looked up");
                waiting.drain(..).for_each(|(_, reply)| drop(reply.send(Err(Error::NotRead))));
            }
        }
    }
}
