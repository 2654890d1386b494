//! Who has been revoked, asked on every request: from prepared sets, without OpenSSL.

use std::time::Duration;

use super::reason::RejectReason;
use crate::domain::clock::Timestamp;
use crate::ingest::settings::{CrlExpired, Settings};
use crate::pki::{RevocationList, SerialNumber};

/// The lists in force.
pub(crate) struct Revocations {
    lists: Vec<RevocationList>,
    grace: Duration,
}

impl Revocations {
    /// Goes by `lists`; by nothing when there are none.
    pub(crate) fn new(lists: Vec<RevocationList>, settings: &Settings) -> Self {
        let grace = match settings.crl_expired {
            CrlExpired::Serve => settings.crl_grace,
            CrlExpired::Refuse => Duration::ZERO,
        };
        Self { lists, grace }
    }

    /// Refuses a chain when one of its links is revoked, or when that cannot be known.
    pub(crate) fn check(&self, links: &[SerialNumber], now: Timestamp) -> Result<(), RejectReason> {
        if self.lists.is_empty() {
            return Ok(());
        }
        links.iter().try_for_each(|link| self.check_one(link, now))
    }

    fn check_one(&self, link: &SerialNumber, now: Timestamp) -> Result<(), RejectReason> {
        // Two authorities of one name, one following the other, have a list each.
        let mut known = false;
        for list in self.lists.iter().filter(|list| list.issuer == link.issuer) {
            if list.names(&link.serial) {
                return Err(RejectReason::RevokedEntry);
            }
            known |= list.until.is_none_or(|until| now <= until.after(self.grace));
        }
        if known { Ok(()) } else { Err(RejectReason::NoRevocationList) }
    }

    /// When the first list ends that has an end.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.lists.iter().filter_map(|list| list.until).min()
    }
}
