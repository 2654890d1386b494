//! Which purchase a code is for, and whether a newer code has come for it.
//!
//! Two codes are for one purchase when card and merchant are the same; no processor sends a number for it. What is
//! kept is a keyed hash, and only while a code could still be sent.

use super::lease::Claimed;
use super::seal::LookupHash;
use super::{Error, Store};
use crate::domain::notification::Content;
use crate::domain::recipient::{Identifier, IdentifierKind};

impl Store {
    /// Whether this code has waited, for room or for another attempt, and a newer one for the same purchase is on disk.
    /// Asked right before each send: one that is not committed by then may be sent as well, and so may this one.
    pub async fn is_superseded(&self, claimed: &Claimed) -> Result<bool, Error> {
        let Some(content) = &claimed.content else { return Ok(false) };
        if !claimed.waited && claimed.attempts.is_empty() {
            return Ok(false);
        }
        match self.purchase(content, &claimed.subjects)? {
            Some(purchase) => self.backend.is_superseded(purchase, claimed.notification.0).await,
            None => Ok(false),
        }
    }

    pub(super) fn purchase(&self, content: &Content, subjects: &[Identifier]) -> Result<Option<LookupHash>, Error> {
        let Content::Otp(otp) = content else { return Ok(None) };
        let of_kind = |kind| subjects.iter().find(|subject| subject.kind == kind);
        let card = of_kind(IdentifierKind::StorageCard).or_else(|| of_kind(IdentifierKind::StorageCustomer));
        let purchase = card.map(|card| format!("{}:{}\n{}", card.kind, card.value, otp.merchant));
        Ok(purchase.map(|purchase| self.sealer.lookup_hash("purchase", &purchase)).transpose()?)
    }
}
