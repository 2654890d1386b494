//! Per-card ordering: deliveries with the same ordering key are sent in the order of their notifications.
//!
//! Codes have no ordering key: each is sent at once. A delivery that a provider has accepted holds back no other, even if it
//! stays open for a further step.

use super::lease::{Claimed, LEASE};
use super::seal::LookupHash;
use super::{Error, Store, hash_labels, retry};
use crate::domain::clock::Timestamp;
use crate::domain::notification::Content;
use crate::domain::recipient::Identifier;

/// An open delivery that a provider must accept before another one with the same ordering key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predecessor {
    /// A worker holds it.
    Leased,
    /// It is due at this time.
    DueAt(Timestamp),
}

impl Store {
    /// The first open delivery that a provider must accept before `claimed` is sent.
    pub async fn predecessor(&self, claimed: &Claimed) -> Result<Option<Predecessor>, Error> {
        let Some(ordering_key) = claimed.ordering_key else { return Ok(None) };
        retry::while_temporary(LEASE, || self.backend.predecessor(ordering_key, claimed.notification.0)).await
    }

    /// The key of one card, user, company or payment; `None` for a code.
    pub(super) fn ordering_key(
        &self,
        content: Option<&Content>,
        identifiers: &[Identifier],
    ) -> Result<Option<LookupHash>, Error> {
        let key = match (content, identifiers.first()) {
            (None | Some(Content::Otp(_)), _) | (_, None) => None,
            (Some(Content::Transaction(payment)), _) => Some(format!("transaction:{}", payment.reference)),
            (Some(Content::CardLocked(_) | Content::CardUnlocked(_)), Some(card)) => Some(card.value.clone()),
            (Some(Content::Verification(_)), Some(user)) => Some(format!("verification:{}", user.value)),
            (Some(Content::TransactionalLock(_)), Some(holder)) => Some(format!("{}:{}", holder.kind, holder.value)),
        };
        Ok(key.map(|key| self.sealer.lookup_hash(hash_labels::ORDERING_KEY, &key)).transpose()?)
    }
}
