//! What is known about deliveries, as commands, the console and dossiers show it. Contacts and codes are masked.

pub mod csv;
pub mod history;
pub mod listing;
pub mod message_text;
pub mod query;
pub mod timeline;

use crate::store::reports::DeliveryPage;

/// Deliveries may be missing, because the search index is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the search index has not come to {behind} audit events yet, so that deliveries may be missing; a running gateway \
     catches up by itself: try again in some minutes"
)]
pub struct Incomplete {
    behind: u64,
}

/// Fails if the page may lack deliveries because the search index is behind: a document must not look complete then.
pub const fn complete(page: &DeliveryPage) -> Result<(), Incomplete> {
    match page.unindexed {
        0 => Ok(()),
        behind => Err(Incomplete { behind }),
    }
}
