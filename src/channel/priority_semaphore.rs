//! A semaphore that reserves a quarter of its permits for codes.
//!
//! It counts, and nothing else: how long a caller waits is the caller's decision.

use std::sync::Arc;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::domain::notification::Priority;

/// Limits how many messages or deliveries are in flight at once.
pub struct PrioritySemaphore {
    count: usize,
    all: Arc<Semaphore>,
    standard: Arc<Semaphore>,
}

/// Permission for one message or delivery, given back on drop.
#[derive(Debug)]
pub struct PriorityPermit {
    _any: OwnedSemaphorePermit,
    _standard: Option<OwnedSemaphorePermit>,
}

impl PrioritySemaphore {
    /// A semaphore of `count` permits. With fewer than four, none is reserved.
    pub fn new(count: usize) -> Self {
        let (all, standard) = (Semaphore::new(count), Semaphore::new(count - count / 4));
        Self { count, all: Arc::new(all), standard: Arc::new(standard) }
    }

    /// Waits for a permit.
    pub async fn acquire(&self, priority: Priority) -> Result<PriorityPermit, AcquireError> {
        let standard = match priority {
            Priority::Otp => None,
            Priority::Standard => Some(Arc::clone(&self.standard).acquire_owned().await?),
        };
        Ok(PriorityPermit { _any: Arc::clone(&self.all).acquire_owned().await?, _standard: standard })
    }

    /// A permit, if one is free now.
    pub fn try_acquire(&self, priority: Priority) -> Option<PriorityPermit> {
        let standard = match priority {
            Priority::Otp => None,
            Priority::Standard => Some(Arc::clone(&self.standard).try_acquire_owned().ok()?),
        };
        Some(PriorityPermit { _any: Arc::clone(&self.all).try_acquire_owned().ok()?, _standard: standard })
    }

    /// How many permits are in use.
    pub fn in_use(&self) -> usize {
        self.count - self.all.available_permits()
    }

    /// Waits until no permit is in use.
    pub async fn idle(&self) {
        let all = u32::try_from(self.count).unwrap_or(u32::MAX);
        drop(self.all.acquire_many(all).await);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_quarter_of_the_permits_is_reserved_for_codes() {
        let semaphore = PrioritySemaphore::new(8);
        let standard: Vec<_> = std::iter::from_fn(|| semaphore.try_acquire(Priority::Standard)).collect();
        assert_eq!(standard.len(), 6);
        assert!(semaphore.acquire(Priority::Standard).now_or_never().is_none());

        let codes: Vec<_> = std::iter::from_fn(|| semaphore.try_acquire(Priority::Otp)).collect();
        assert_eq!((codes.len(), semaphore.in_use()), (2, 8));
        assert!(semaphore.acquire(Priority::Otp).now_or_never().is_none() && semaphore.idle().now_or_never().is_none());

        drop(standard);
        assert!(semaphore.acquire(Priority::Standard).now_or_never().is_some_and(|permit| permit.is_ok()));
        drop(codes);
        assert_eq!((semaphore.in_use(), semaphore.idle().now_or_never()), (0, Some(())));
    }

    #[test]
    fn a_single_permit_serves_both_priorities() {
        let semaphore = PrioritySemaphore::new(1);
        assert!(semaphore.try_acquire(Priority::Standard).is_some());
        assert!(semaphore.try_acquire(Priority::Otp).is_some());
    }
}
