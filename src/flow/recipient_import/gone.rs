//! Recipients of the database who are not in a file that is meant to hold all.

use super::FileIndex;
use crate::domain::clock::Clock;
use crate::domain::recipient::{RecipientId, RecipientStatus};
use crate::store::{Error, Recipients};

/// Recipients that are blocked in one transaction.
const BATCH: usize = 50;

/// The recipients that a file does not name.
#[derive(Debug, Default)]
pub struct GoneRecipients {
    /// Those who still get something.
    pub ids: Vec<RecipientId>,
    /// All recipients of the database.
    pub stored: u64,
}

/// What happens to recipients who are not in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoneAction {
    /// They get nothing, and an import brings them back.
    Block,
    /// They are erased with all identifiers and contacts.
    Erase,
}

impl GoneRecipients {
    /// Compares all recipients of `directory` with the file. Recipients who are blocked or have died are gone already, unless
    /// they are to be erased.
    pub async fn find(directory: &Recipients, index: &FileIndex, action: GoneAction) -> Result<Self, Error> {
        let (mut gone, mut after) = (Self::default(), None);
        loop {
            let page = directory.statuses(after).await?;
            let Some((last, _)) = page.last() else { return Ok(gone) };
            after = Some(*last);
            gone.stored += page.len() as u64;
            let counts = |status: RecipientStatus| action == GoneAction::Erase || !status.suppresses(true);
            let named = page.into_iter().filter(|(id, status)| counts(*status) && !index.names(*id));
            gone.ids.extend(named.map(|(id, _)| id));
        }
    }

    /// The share of all recipients, in per cent, rounded up.
    pub fn percent(&self) -> u64 {
        (self.ids.len() as u64 * 100).div_ceil(self.stored.max(1))
    }

    /// Blocks or erases them.
    pub async fn remove(&self, directory: &Recipients, action: GoneAction, clock: &dyn Clock) -> Result<(), Error> {
        match action {
            GoneAction::Block => {
                for ids in self.ids.chunks(BATCH) {
                    directory.block(ids, clock.now()).await?;
                }
            }
            GoneAction::Erase => {
                for id in &self.ids {
                    directory.erase(*id, clock.now()).await?;
                }
            }
        }
        Ok(())
    }
}
