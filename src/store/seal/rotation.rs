//! Replaces the master key, while what it sealed is still opened.

use super::keyring::Epoch;
use super::{Error, Sealer, contact_aad, epoch_of, open, seal};
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::recipient::RecipientId;

/// How a ciphertext of a generation of the master key begins.
pub type SealedPrefix = [u8; 4];

impl Sealer {
    /// Makes a new master key, which seals from now on, unless the previous rotation has not ended yet.
    pub fn begin_rotation(&self, now: Timestamp) -> Result<(), Error> {
        let keys = self.keys()?;
        if keys.rotated_at().is_some() { Ok(()) } else { keys.rotate(now) }
    }

    /// When the rotation began that has not ended yet.
    pub fn rotation_began(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.keys()?.rotated_at())
    }

    /// Seals a contact with the current key; `None` if it is already.
    pub fn reseal_contact(
        &self,
        recipient: RecipientId,
        channel: Channel,
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, Error> {
        let (master, epoch) = (self.keys()?.master(), epoch_of(sealed)?);
        if epoch == master.epoch {
            return Ok(None);
        }
        let aad = contact_aad(recipient, channel);
        let plain = open(&self.keys()?.master_of(epoch)?.contact, sealed, &aad)?;
        seal(&master.contact, master.epoch, &aad, &plain).map(Some)
    }

    /// How everything begins that the previous key sealed; `None` when no rotation is under way.
    pub fn previous_prefix(&self) -> Result<Option<SealedPrefix>, Error> {
        Ok(self.keys()?.generations().get(1).map(|master| Epoch::to_be_bytes(master.epoch)))
    }

    /// Whether there is an epoch key whose file belongs to the previous key.
    pub fn previous_has_epochs(&self) -> Result<bool, Error> {
        Ok(self.keys()?.previous_has_epochs())
    }

    /// Removes the previous key: what it sealed is unreadable then.
    pub fn end_rotation(&self) -> Result<(), Error> {
        self.keys()?.drop_previous()
    }
}
