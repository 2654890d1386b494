//! Superseding: a delivery is dropped when a newer notification makes it obsolete.
//!
//! A code is obsolete as soon as a newer one for the same purchase is committed. Another notification is obsolete when the
//! opposite event of the same card, user or company has gone out before it, or when it was accepted by a provider already
//! and only waits for another step: while both wait, they are sent in order. Only a keyed hash is stored, and only while
//! something older could still be sent.

use super::lease::{Claimed, LEASE};
use super::seal::LookupHash;
use super::{Error, Store, hash_labels, retry};
use crate::domain::notification::{Content, Replacement, replacement};
use crate::domain::recipient::Identifier;

/// A newer notification that makes another one obsolete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Newer {
    /// It has not been handed to a provider yet.
    Waits,
    /// A provider has accepted it, or may have.
    HasLeft,
}

impl Store {
    /// Whether this delivery has waited, for a free slot or for another attempt, and a newer notification makes it obsolete.
    /// Called right before each send: of two codes that are accepted at the same moment both may be sent.
    pub async fn is_superseded(&self, claimed: &Claimed) -> Result<bool, Error> {
        let Some(content) = &claimed.content else { return Ok(false) };
        if !claimed.waited && claimed.attempts.is_empty() {
            return Ok(false);
        }
        let Some(Replacement { own, .. }) = replacement(content, &claimed.identifiers) else { return Ok(false) };
        let own = self.replacement_hash(&own)?;
        let newer = retry::while_temporary(LEASE, || self.backend.newer(own, claimed.notification.0)).await?;
        let has_left = claimed.attempts.iter().any(|attempt| attempt.outcome.is_accepted());
        Ok(match newer {
            None => false,
            Some(Newer::HasLeft) => true,
            Some(Newer::Waits) => has_left || matches!(content, Content::Otp(_)),
        })
    }

    /// The hash of what a notification makes obsolete.
    pub(super) fn replaced(&self, content: &Content, identifiers: &[Identifier]) -> Result<Option<LookupHash>, Error> {
        let keys = replacement(content, identifiers);
        keys.map(|keys| self.replacement_hash(&keys.replaces)).transpose()
    }

    fn replacement_hash(&self, key: &str) -> Result<LookupHash, Error> {
        Ok(self.sealer.lookup_hash(hash_labels::REPLACEMENT, key)?)
    }
}
