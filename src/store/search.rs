//! The search index: where the deliveries with a selective property are, so that none is found by reading all.
//!
//! It follows the audit log: every change that gives a delivery such a property has an event. What the index does not cover
//! yet is found by looking at the deliveries of the newest events, so that nothing is missing from an answer.

use std::ops::Range;

use async_trait::async_trait;
use openssl::sha::sha256;
use uuid::Uuid;

use super::Error;
use super::reports::DeliveryFilter;
use crate::domain::clock::Timestamp;

/// Audit events that one step of the index reads. Their deliveries are written in one small transaction.
pub const EVENTS_PER_STEP: u32 = 256;

/// The newest events beyond the index whose deliveries a search reads itself: far more than the index is ever behind.
pub(super) const TAIL_MAX: u32 = 10_000;

/// A property of a delivery as the index keeps it: a byte that says which, and seven bytes of a hash of its value. What is
/// found is compared with the delivery itself, so that two values with the same seven bytes are no mistake.
pub(super) type Term = [u8; 8];

/// The first byte of a term. Terms are stored, so that none may change its number.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum Property {
    Recipient = 1,
    Contact = 2,
    IdempotencyKey = 3,
    Reference = 4,
}

impl Property {
    /// The term of a delivery that has this property with this value.
    pub(super) fn term(self, value: &[u8]) -> Term {
        let mut term = Term::default();
        let hash = sha256(value);
        term[0] = self as u8;
        term[1..].copy_from_slice(&hash[..size_of::<Term>() - 1]);
        term
    }

    /// All terms of this property.
    pub(super) const fn terms(self) -> Range<[u8; 1]> {
        [self as u8]..[self as u8 + 1]
    }
}

/// The most selective property that the filter asks for; `None` when it asks for none.
pub(super) fn term(filter: &DeliveryFilter) -> Option<Term> {
    let key = || filter.idempotency_key.as_ref().map(|key| Property::IdempotencyKey.term(key.as_bytes()));
    let reference = || filter.reference.as_ref().map(|it| Property::Reference.term(it.as_bytes()));
    let contact = || filter.contact.as_ref().map(|hash| Property::Contact.term(hash));
    let recipient = || filter.recipient.as_ref().map(|id| Property::Recipient.term(id.0.as_bytes()));
    key().or_else(reference).or_else(contact).or_else(recipient)
}

/// The index of selective properties.
#[async_trait]
pub trait SearchIndex: Send + Sync {
    /// Adds the deliveries of the next audit events, at most `limit`, and says in the same transaction up to which event the
    /// index has come. Returns how many events there were.
    async fn extend_index(&self, limit: u32) -> Result<u32, Error>;
    /// Audit events that the index has not come to yet.
    async fn index_lag(&self) -> Result<u64, Error>;
}

/// Milliseconds since 1970 in an id of version 7 (RFC 9562).
fn millis_of(id: Uuid) -> i64 {
    i64::try_from(id.as_u128() >> 80).unwrap_or(i64::MAX)
}

/// When an id was made.
pub fn time_of(id: Uuid) -> Timestamp {
    Timestamp::from_micros(millis_of(id).saturating_mul(1000))
}

/// Days from 1970 to the time in the id.
pub(super) fn day_of(id: Uuid) -> i64 {
    millis_of(id) / 86_400_000
}

/// Smaller than every id that was made at that time or later.
pub(super) fn first_id_at(at: Timestamp) -> Uuid {
    Uuid::from_u128(u128::try_from(at.micros() / 1000).unwrap_or_default() << 80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::recipient::RecipientId;

    #[test]
    fn a_term_says_which_property_it_is_of_and_lies_in_its_range() {
        let terms = [Property::Recipient, Property::Contact, Property::IdempotencyKey, Property::Reference]
            .map(|property| (property, property.term(b"value")));
        for (property, term) in terms {
            let all = property.terms();
            assert!(term.as_slice() >= all.start.as_slice() && term.as_slice() < all.end.as_slice(), "{property:?}");
            assert_eq!(terms.iter().filter(|(_, other)| *other == term).count(), 1);
        }
    }

    #[test]
    fn the_most_selective_property_is_looked_up() {
        let recipient = DeliveryFilter { recipient: Some(RecipientId(Uuid::nil())), ..DeliveryFilter::newest(1) };
        let both = DeliveryFilter { idempotency_key: Some("key".to_owned()), ..recipient.clone() };

        assert_eq!(term(&DeliveryFilter::newest(1)), None);
        assert_eq!(term(&recipient).map(|term| term[0]), Some(Property::Recipient as u8));
        assert_eq!(term(&both), Some(Property::IdempotencyKey.term(b"key")));
    }

    #[test]
    fn the_time_and_the_day_of_an_id_are_those_it_was_made_at() {
        let at = Timestamp::from_micros(1_795_747_500_123_000);
        let id = first_id_at(at);
        assert_eq!((time_of(id), day_of(id)), (at, 20_784));
        assert!(id > first_id_at(Timestamp::from_micros(at.micros() - 1000)));
    }
}
