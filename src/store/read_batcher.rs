//! Group reads: one task takes whoever is being looked for at the moment and asks for all of them at once.
//!
//! The writer's twin: a question alone is asked alone and at once, and under load a trip to the database thread is
//! shared by many deliveries.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::backend::{Backend, RecipientQuery, RecipientRows};
use super::priority_queue;
use super::priority_queue::{PriorityReceiver, PrioritySender};
use super::{Error, chain};
use crate::domain::notification::Priority;

/// Questions that may wait in each lane; deliveries in hand are bounded too.
const QUEUE: usize = 4096;

/// Questions asked at once.
const BATCH: usize = 256;

type ReadRequest = (RecipientQuery, oneshot::Sender<Result<Vec<RecipientRows>, Error>>);

/// The way to the finder task.
#[derive(Clone)]
pub(super) struct ReadBatcher {
    questions: PrioritySender<ReadRequest>,
}

impl ReadBatcher {
    /// Starts the task on the current runtime. It ends when the last [`ReadBatcher`] is dropped.
    pub(super) fn start(backend: Arc<dyn Backend>) -> Self {
        let (questions, asked) = priority_queue::open(QUEUE);
        tokio::spawn(run(asked, backend));
        Self { questions }
    }

    /// Everybody who is meant.
    pub(super) async fn find(&self, whom: RecipientQuery, priority: Priority) -> Result<Vec<RecipientRows>, Error> {
        let (answer, answered) = oneshot::channel();
        self.questions.lane(priority).send((whom, answer)).await.map_err(|_| Error::Stopped)?;
        answered.await.map_err(|_| Error::Stopped)?
    }
}

async fn run(mut asked: PriorityReceiver<ReadRequest>, backend: Arc<dyn Backend>) {
    let mut waiting = Vec::with_capacity(BATCH);
    while asked.take(&mut waiting, BATCH).await {
        let whom: Vec<RecipientQuery> = waiting.iter().map(|(whom, _)| *whom).collect();
        match backend.recipients(&whom).await {
            Ok(found) => {
                for ((_, asker), recipients) in waiting.drain(..).zip(found) {
                    drop(asker.send(Ok(recipients)));
                }
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "the directory could not be read");
                waiting.drain(..).for_each(|(_, asker)| drop(asker.send(Err(Error::NotRead))));
            }
        }
    }
}
