//! Counts events by key, and hands each key out at once and then at most once a minute with its count, so that no flood
//! fills a log or a database.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Time between two entries about the same key.
pub(super) const ENTRY_INTERVAL: Duration = Duration::from_mins(1);

/// Keys beyond this number are counted together.
pub(super) const KEYS_MAX: usize = 200;

/// What is counted.
pub(super) trait BatchKey: Clone + Eq + Hash {
    /// The key that this one is counted under when there are too many.
    fn together(&self) -> Self;
}

/// The counts that have not been handed out yet.
pub(super) struct BatchCounter<K>(Mutex<HashMap<K, BatchCount>>);

#[derive(Default)]
struct BatchCount {
    /// Since the last entry.
    count: u64,
    last_entry: Option<Instant>,
}

impl BatchCount {
    fn is_recent(&self, now: Instant) -> bool {
        self.last_entry.is_some_and(|last| now.duration_since(last) < ENTRY_INTERVAL)
    }
}

impl<K> Default for BatchCounter<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: BatchKey> BatchCounter<K> {
    /// Counts one event.
    pub(super) fn count(&self, key: K) {
        let mut counts = self.counts();
        let has_room = counts.len() < KEYS_MAX || counts.contains_key(&key);
        let key = if has_room { key } else { key.together() };
        counts.entry(key).or_default().count += 1;
    }

    /// Hands out the keys that are due now, with their counts.
    pub(super) fn take_due(&self, now: Instant) -> Vec<(K, u64)> {
        let mut counts = self.counts();
        counts.retain(|_, entry| entry.count > 0 || entry.is_recent(now));
        let due = counts.iter_mut().filter(|(_, entry)| entry.count > 0 && !entry.is_recent(now));
        due.map(|(key, entry)| {
            entry.last_entry = Some(now);
            (key.clone(), std::mem::take(&mut entry.count))
        })
        .collect()
    }

    /// Hands out all keys, due or not: the listener stops.
    pub(super) fn take_all(&self) -> Vec<(K, u64)> {
        self.take_due(Instant::now() + ENTRY_INTERVAL)
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<K, BatchCount>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl BatchKey for u32 {
        fn together(&self) -> Self {
            Self::MAX
        }
    }

    #[test]
    fn a_repeated_event_is_handed_out_at_once_and_then_once_a_minute_with_its_count() {
        let (counter, now) = (BatchCounter::default(), Instant::now());

        counter.count(1);
        assert_eq!(counter.take_due(now), [(1, 1)]);
        (0..5).for_each(|_| counter.count(1));
        assert_eq!(counter.take_due(now + ENTRY_INTERVAL / 2), []);
        assert_eq!(counter.take_due(now + ENTRY_INTERVAL), [(1, 5)]);
        assert_eq!(counter.take_due(now + ENTRY_INTERVAL * 2), []);
        assert!(counter.counts().is_empty());
    }

    #[test]
    fn a_flood_of_keys_makes_few_entries_and_every_event_is_counted() {
        let counter = BatchCounter::default();
        (0..10_000).for_each(|key| counter.count(key));

        let due = counter.take_due(Instant::now());

        assert_eq!(due.len(), KEYS_MAX + 1);
        assert_eq!(due.iter().map(|(_, count)| count).sum::<u64>(), 10_000);
    }
}
