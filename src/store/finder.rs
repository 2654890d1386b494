//! Group reads: one task takes whoever is being looked for at the moment and asks for all of them at once.
//!
//! The writer's twin: a question alone is asked alone and at once, and under load a trip to the database thread is
//! shared by many deliveries.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::backend::{Backend, PersonRows, Whom};
use super::lanes::{self, Entry, Lanes};
use super::{Error, chain};
use crate::domain::notification::Priority;

/// Questions that may wait in each lane; deliveries in hand are bounded too.
const QUEUE: usize = 4096;

/// Questions asked at once.
const BATCH: usize = 256;

type Question = (Whom, oneshot::Sender<Result<Vec<PersonRows>, Error>>);

/// The way to the finder task.
#[derive(Clone)]
pub(super) struct Finder {
    questions: Entry<Question>,
}

impl Finder {
    /// Starts the task on the current runtime. It ends when the last [`Finder`] is dropped.
    pub(super) fn start(backend: Arc<dyn Backend>) -> Self {
        let (questions, asked) = lanes::open(QUEUE);
        tokio::spawn(run(asked, backend));
        Self { questions }
    }

    /// Everybody who is meant.
    pub(super) async fn find(&self, whom: Whom, priority: Priority) -> Result<Vec<PersonRows>, Error> {
        let (answer, answered) = oneshot::channel();
        self.questions.lane(priority).send((whom, answer)).await.map_err(|_| Error::Stopped)?;
        answered.await.map_err(|_| Error::Stopped)?
    }
}

async fn run(mut asked: Lanes<Question>, backend: Arc<dyn Backend>) {
    let mut waiting = Vec::with_capacity(BATCH);
    while asked.take(&mut waiting, BATCH).await {
        let whom: Vec<Whom> = waiting.iter().map(|(whom, _)| *whom).collect();
        match backend.people(&whom).await {
            Ok(found) => {
                for ((_, asker), people) in waiting.drain(..).zip(found) {
                    drop(asker.send(Ok(people)));
                }
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "the directory could not be read");
                waiting.drain(..).for_each(|(_, asker)| drop(asker.send(Err(Error::NotRead))));
            }
        }
    }
}
