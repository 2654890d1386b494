//! Idle connections. The one that was used last is used next, so that the others expire.
//!
//! It has no task of its own: expired connections are closed when the next one is taken.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::failure::SessionError;
use super::session::SmtpSession;
use crate::channel::priority_semaphore::{PriorityPermit, PrioritySemaphore};
use crate::domain::notification::Priority;

/// Relays close idle connections after one to five minutes. A connection that has been idle longer than this is not used.
const IDLE_MAX: Duration = Duration::from_mins(1);

pub(super) struct Pool {
    idle: Mutex<Vec<Idle>>,
    permits: PrioritySemaphore,
}

struct Idle {
    session: SmtpSession,
    since: Instant,
}

impl Pool {
    pub(super) fn new(connections: usize) -> Self {
        Self { idle: Mutex::default(), permits: PrioritySemaphore::new(connections) }
    }

    /// A permit for one connection, idle or new; waits while all are in use.
    pub(super) async fn acquire(&self, priority: Priority) -> Result<PriorityPermit, SessionError> {
        self.permits.acquire(priority).await.map_err(|_closed| SessionError::Lost("the gateway is stopping".to_owned()))
    }

    pub(super) fn take(&self) -> Option<SmtpSession> {
        let mut idle = self.idle();
        idle.retain(|idle| idle.since.elapsed() < IDLE_MAX);
        idle.pop().map(|idle| idle.session)
    }

    pub(super) fn put(&self, session: SmtpSession) {
        self.idle().push(Idle { session, since: Instant::now() });
    }

    pub(super) fn clear(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
