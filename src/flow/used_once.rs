//! What counts once: the names of answers that were accepted, until they would not be accepted any more.
//!
//! In memory. Only who can give a right answer adds to it, and each entry expires.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::clock::Timestamp;

/// Names that were used.
#[derive(Default)]
pub(super) struct UsedOnce(Mutex<HashMap<String, Timestamp>>);

impl UsedOnce {
    /// `false` if it was used before. It is remembered until `expires_at`.
    pub(super) fn add(&self, name: &str, expires_at: Timestamp, now: Timestamp) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, expires_at| now < *expires_at);
        used.insert(name.to_owned(), expires_at).is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_name_is_used_once_and_is_forgotten_when_it_has_expired() {
        let (used, now) = (UsedOnce::default(), Timestamp::from_micros(1_800_000_000_000_000));
        let later = now.after(Duration::from_mins(1));

        assert!(used.add("one", later, now) && used.add("two", later, now));
        assert!(!used.add("one", later, now));
        used.add("three", later.after(Duration::from_mins(1)), later);

        assert_eq!(used.0.lock().unwrap().len(), 1);
    }
}
