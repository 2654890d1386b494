//! Superseding: a code is dropped when a newer one for the same purchase has been accepted.
//!
//! Two codes are for the same purchase when card and merchant are the same; no processor sends a purchase number. Only a
//! keyed hash is stored, and only while a code could still be sent.

use super::lease::{Claimed, LEASE};
use super::seal::LookupHash;
use super::{Error, Store, hash_labels, retry};
use crate::domain::notification::Content;
use crate::domain::recipient::{Identifier, IdentifierKind};

impl Store {
    /// Whether this code has waited, for a free slot or for another attempt, and a newer one for the same purchase is
    /// committed. Called right before each send: of two codes that are accepted at the same moment both may be sent.
    pub async fn is_superseded(&self, claimed: &Claimed) -> Result<bool, Error> {
        let Some(content) = &claimed.content else { return Ok(false) };
        if !claimed.waited && claimed.attempts.is_empty() {
            return Ok(false);
        }
        match self.purchase(content, &claimed.subjects)? {
            Some(purchase) => {
                retry::while_temporary(LEASE, || self.backend.is_superseded(purchase, claimed.notification.0)).await
            }
            None => Ok(false),
        }
    }

    /// The hash of the purchase that a code is for.
    pub(super) fn purchase(&self, content: &Content, subjects: &[Identifier]) -> Result<Option<LookupHash>, Error> {
        let Content::Otp(otp) = content else { return Ok(None) };
        let of_kind = |kind| subjects.iter().find(|subject| subject.kind == kind);
        let card = of_kind(IdentifierKind::StorageCard).or_else(|| of_kind(IdentifierKind::StorageCustomer));
        let purchase = card.map(|card| format!("{}:{}\n{}", card.kind, card.value, otp.merchant));
        Ok(purchase.map(|purchase| self.sealer.lookup_hash(hash_labels::PURCHASE, &purchase)).transpose()?)
    }
}
