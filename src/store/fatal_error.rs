//! The error after which nothing may be accepted any more.
//!
//! It is permanent: only a new process, which reads everything again, may trust the file.

use tokio::sync::watch;

use super::Error;
use crate::domain::chain;

/// The first permanent failure of the database, if there was one.
pub(super) struct FatalError(watch::Sender<Option<String>>);

impl FatalError {
    /// No failure.
    pub(super) fn new() -> Self {
        Self(watch::channel(None).0)
    }

    /// Keeps `error`, unless there was one before.
    pub(super) fn set(&self, error: &Error) {
        self.0.send_if_modified(|first| first.is_none() && first.replace(chain(error)).is_none());
    }

    /// Runs a change that is not part of a batch, and keeps its error when the cause is the disk or the file.
    pub(super) async fn watch<T>(&self, change: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        change.await.inspect_err(|error| {
            if error.is_disk_failure() {
                self.set(error);
            }
        })
    }

    /// Whether there was one.
    pub(super) fn is_set(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Resolves when there is one.
    pub(super) async fn wait(&self) -> String {
        let mut failure = self.0.subscribe();
        let first = failure.wait_for(Option::is_some).await.map(|error| error.clone().unwrap_or_default());
        first.unwrap_or_default()
    }
}
