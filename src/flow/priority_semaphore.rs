//! Room for deliveries in hand: codes may take all of it, everything else three quarters.
//!
//! It only counts: who waits for room, and for how long, is not decided here.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::notification::Priority;

/// Deliveries in hand at once. Beyond it they wait in the table, where they cost no memory.
const IN_HAND: usize = 4096;

/// Of these, what is not a code.
const NEWS_IN_HAND: usize = IN_HAND / 4 * 3;

/// Room to take one more delivery in hand.
#[derive(Debug)]
pub struct DeliverySlot {
    _any: OwnedSemaphorePermit,
    _news: Option<OwnedSemaphorePermit>,
}

/// All the room there is.
pub(super) struct DeliverySlots {
    all: Arc<Semaphore>,
    news: Arc<Semaphore>,
}

impl DeliverySlots {
    pub(super) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(IN_HAND)), news: Arc::new(Semaphore::new(NEWS_IN_HAND)) }
    }

    /// Room for one more, if there is any.
    pub(super) fn reserve(&self, priority: Priority) -> Option<DeliverySlot> {
        let news = match priority {
            Priority::Otp => None,
            Priority::Standard => Some(Arc::clone(&self.news).try_acquire_owned().ok()?),
        };
        Some(DeliverySlot { _any: Arc::clone(&self.all).try_acquire_owned().ok()?, _news: news })
    }

    /// How many are taken.
    pub(super) fn in_hand(&self) -> usize {
        IN_HAND - self.all.available_permits()
    }

    /// Waits until none is taken.
    pub(super) async fn idle(&self) {
        let all = u32::try_from(IN_HAND).unwrap_or(u32::MAX);
        drop(self.all.acquire_many(all).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_room_is_for_codes_alone() {
        let slots = DeliverySlots::new();

        let news: Vec<DeliverySlot> = std::iter::from_fn(|| slots.reserve(Priority::Standard)).collect();
        let codes: Vec<DeliverySlot> = std::iter::from_fn(|| slots.reserve(Priority::Otp)).collect();

        assert_eq!((news.len(), codes.len()), (3072, 1024));
        drop(news);
        assert!(slots.reserve(Priority::Standard).is_some());
        drop(codes);
        assert_eq!(slots.in_hand(), 0);
    }
}
