//! Connections between two mails. The one used last is used next, so that the others can grow old and go.
//!
//! Keeps no task of its own: what is too old goes when somebody comes by.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::SessionError;
use super::session::SmtpSession;
use crate::channel::priority_semaphore::{PriorityPermit, PrioritySemaphore};
use crate::domain::notification::Priority;

/// Relays close idle connections after one to five minutes; a connection older than this is not worth a try.
const IDLE_MAX: Duration = Duration::from_mins(1);

pub(super) struct Pool {
    idle: Mutex<Vec<Idle>>,
    slots: PrioritySemaphore,
}

struct Idle {
    line: SmtpSession,
    since: Instant,
}

impl Pool {
    pub(super) fn new(connections: usize) -> Self {
        Self { idle: Mutex::default(), slots: PrioritySemaphore::new(connections) }
    }

    /// The right to one connection, idle or new; waits while all are in use.
    pub(super) async fn slot(&self, priority: Priority) -> Result<PriorityPermit<'_>, SessionError> {
        self.slots.take(priority).await.map_err(|_closed| SessionError::Lost)
    }

    pub(super) fn take(&self) -> Option<SmtpSession> {
        let mut idle = self.idle();
        idle.retain(|idle| idle.since.elapsed() < IDLE_MAX);
        idle.pop().map(|idle| idle.line)
    }

    pub(super) fn put(&self, line: SmtpSession) {
        self.idle().push(Idle { line, since: Instant::now() });
    }

    pub(super) fn clear(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
