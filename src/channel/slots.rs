//! Messages under way at one provider: codes may take all its slots, everything else three quarters of them.
//!
//! It only counts; how long anybody waits is decided by who waits.

use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

use crate::domain::notification::Priority;

pub(super) struct Slots {
    all: Semaphore,
    news: Semaphore,
}

/// The right to have one message under way.
pub(super) struct Slot<'a> {
    _any: SemaphorePermit<'a>,
    _news: Option<SemaphorePermit<'a>>,
}

impl Slots {
    /// With fewer than four there is nothing to be set aside.
    pub(super) fn new(count: usize) -> Self {
        Self { all: Semaphore::new(count), news: Semaphore::new(count - count / 4) }
    }

    /// Waits for a slot.
    pub(super) async fn take(&self, priority: Priority) -> Result<Slot<'_>, AcquireError> {
        let news = match priority {
            Priority::Code => None,
            Priority::News => Some(self.news.acquire().await?),
        };
        Ok(Slot { _any: self.all.acquire().await?, _news: news })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_quarter_of_the_slots_is_for_codes_alone() {
        let slots = Slots::new(8);
        let news: Vec<_> = (0..6).map(|_| slots.take(Priority::News).now_or_never().unwrap()).collect();

        assert!(slots.take(Priority::News).now_or_never().is_none());
        let code = slots.take(Priority::Code).now_or_never();

        assert!(code.is_some_and(|slot| slot.is_ok()));
        drop(news);
        assert!(slots.take(Priority::News).now_or_never().is_some());
    }

    #[test]
    fn a_single_slot_serves_both() {
        let slots = Slots::new(1);
        assert!(slots.take(Priority::News).now_or_never().is_some());
        assert!(slots.take(Priority::Code).now_or_never().is_some());
    }
}
