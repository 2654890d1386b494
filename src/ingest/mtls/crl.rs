//! Which certificates are revoked, asked on every request: from prepared sets, without OpenSSL.

use std::time::Duration;

use super::reason::RejectReason;
use crate::domain::clock::Timestamp;
use crate::ingest::settings::{CrlExpired, Settings};
use crate::pki::{RevocationList, SerialNumber};

/// The revocation lists, and how long each is used after its end.
pub(crate) struct Revocations {
    lists: Vec<RevocationList>,
    grace: Duration,
}

impl Revocations {
    /// Without `lists`, nothing is revoked.
    pub(super) fn new(lists: Vec<RevocationList>, settings: &Settings) -> Self {
        let grace = match settings.crl_expired {
            CrlExpired::Serve => settings.crl_grace,
            CrlExpired::Refuse => Duration::ZERO,
        };
        Self { lists, grace }
    }

    /// Rejects a chain if one of its certificates is revoked, or if that cannot be known.
    pub(super) fn check(&self, chain: &[SerialNumber], now: Timestamp) -> Result<(), RejectReason> {
        if self.lists.is_empty() {
            return Ok(());
        }
        chain.iter().try_for_each(|certificate| self.check_one(certificate, now))
    }

    fn check_one(&self, certificate: &SerialNumber, now: Timestamp) -> Result<(), RejectReason> {
        // A CA and its successor of the same name have a list each.
        let mut known = false;
        for list in self.lists.iter().filter(|list| list.issuer == certificate.issuer) {
            if list.contains(&certificate.serial) {
                return Err(RejectReason::Revoked);
            }
            known |= list.until.is_none_or(|until| now <= until.after(self.grace));
        }
        if known { Ok(()) } else { Err(RejectReason::NoRevocationList) }
    }

    /// When the first list ends that has an end.
    pub(super) fn first_end(&self) -> Option<Timestamp> {
        self.lists.iter().filter_map(|list| list.until).min()
    }
}
