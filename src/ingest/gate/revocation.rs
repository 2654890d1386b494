//! Who has been revoked, asked on every request: from prepared sets, without OpenSSL.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::ingest::reason::Reason;
use crate::ingest::settings::{CrlExpired, Settings};
use crate::pki::{CertificateNumber, RevocationList};

/// The lists in force.
pub(in crate::ingest) struct Revocations {
    lists: Vec<RevocationList>,
    grace: Duration,
}

impl Revocations {
    /// Goes by `lists`; by nothing when there are none.
    pub(in crate::ingest) fn new(lists: Vec<RevocationList>, settings: &Settings) -> Self {
        let grace = match settings.crl_expired {
            CrlExpired::Serve => settings.crl_grace,
            CrlExpired::Refuse => Duration::ZERO,
        };
        Self { lists, grace }
    }

    /// Refuses a chain when one of its links is revoked, or when that cannot be known.
    pub(in crate::ingest) fn check(&self, links: &[CertificateNumber], now: Timestamp) -> Result<(), Reason> {
        if self.lists.is_empty() {
            return Ok(());
        }
        links.iter().try_for_each(|link| self.check_one(link, now))
    }

    fn check_one(&self, link: &CertificateNumber, now: Timestamp) -> Result<(), Reason> {
        // Two authorities of one name, one following the other, have a list each.
        let mut known = false;
        for list in self.lists.iter().filter(|list| list.issuer == link.issuer) {
            if list.names(&link.serial) {
                return Err(Reason::Revoked);
            }
            known |= list.until.is_none_or(|until| now <= until.after(self.grace));
        }
        if known { Ok(()) } else { Err(Reason::NoRevocationList) }
    }

    /// When the first list ends that has an end.
    pub(in crate::ingest) fn until(&self) -> Option<Timestamp> {
        self.lists.iter().filter_map(|list| list.until).min()
    }
}
