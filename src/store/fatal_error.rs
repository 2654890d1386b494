//! Whether the database has failed in a way after which nothing may be accepted any more, and who waits to hear of it.
//!
//! It never passes: only a new process, which reads everything anew, may trust the file again.

use tokio::sync::watch;

use super::Error;
use crate::domain::chain;

/// The first failure for good, once there was one.
pub(super) struct FatalError(watch::Sender<Option<String>>);

impl FatalError {
    /// None so far.
    pub(super) fn new() -> Self {
        Self(watch::channel(None).0)
    }

    /// Remembers `error`; the first one counts.
    pub(super) fn note(&self, error: &Error) {
        self.0.send_if_modified(|told| told.is_none() && told.replace(chain(error)).is_none());
    }

    /// Remembers the error of a change that stands beside the batches, when the disk or the file is to blame.
    pub(super) fn watch<T>(&self, done: Result<T, Error>) -> Result<T, Error> {
        done.inspect_err(|error| {
            if error.is_of_the_disk() {
                self.note(error);
            }
        })
    }

    /// Whether there was one.
    pub(super) fn is_there(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Resolves when there is one.
    pub(super) async fn told(&self) -> String {
        let mut failure = self.0.subscribe();
        let seen = failure.wait_for(Option::is_some).await.map(|text| text.clone().unwrap_or_default());
        seen.unwrap_or_default()
    }
}
