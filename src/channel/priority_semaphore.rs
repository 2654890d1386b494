//! Messages under way at one provider: codes may take all its slots, everything else three quarters of them.
//!
//! It only counts; how long anybody waits is decided by who waits.

use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

use crate::domain::notification::Priority;

pub(super) struct PrioritySemaphore {
    all: Semaphore,
    news: Semaphore,
}

/// The right to have one message under way.
pub(super) struct PriorityPermit<'a> {
    _any: SemaphorePermit<'a>,
    _news: Option<SemaphorePermit<'a>>,
}

impl PrioritySemaphore {
    /// With fewer than four there is nothing to be set aside.
    pub(super) fn new(count: usize) -> Self {
        Self { all: Semaphore::new(count), news: Semaphore::new(count - count / 4) }
    }

    /// Waits for a slot.
    pub(super) async fn take(&self, priority: Priority) -> Result<PriorityPermit<'_>, AcquireError> {
        let news = match priority {
            Priority::Otp => None,
            Priority::Standard => Some(self.news.acquire().await?),
        };
        Ok(PriorityPermit { _any: self.all.acquire().await?, _news: news })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_quarter_of_the_slots_is_for_codes_alone() {
        let slots = PrioritySemaphore::new(8);
        let news: Vec<_> = (0..6).map(|_| slots.take(Priority::Standard).now_or_never().unwrap()).collect();

        assert!(slots.take(Priority::Standard).now_or_never().is_none());
        let code = slots.take(Priority::Otp).now_or_never();

        assert!(code.is_some_and(|slot| slot.is_ok()));
        drop(news);
        assert!(slots.take(Priority::Standard).now_or_never().is_some());
    }

    #[test]
    fn a_single_slot_serves_both() {
        let slots = PrioritySemaphore::new(1);
        assert!(slots.take(Priority::Standard).now_or_never().is_some());
        assert!(slots.take(Priority::Otp).now_or_never().is_some());
    }
}
