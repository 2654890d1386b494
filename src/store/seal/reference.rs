//! The operator's own names of recipients, sealed. Their key is made of the one that they are hashed with, which a rotation keeps.

use zeroize::Zeroizing;

use super::hmac::hmac;
use super::{Error, Sealer, open, seal};
use crate::domain::recipient::RecipientId;

/// References have one key only; the space of an epoch stays empty.
const NO_EPOCH: u32 = 0;

impl Sealer {
    /// Seals the operator's name of a recipient.
    pub fn seal_reference(&self, recipient: RecipientId, reference: &str) -> Result<Vec<u8>, Error> {
        seal(&self.reference_key()?, NO_EPOCH, recipient.0.as_bytes(), reference.as_bytes())
    }

    /// Opens what [`Sealer::seal_reference`] sealed for the same recipient.
    pub fn open_reference(&self, recipient: RecipientId, sealed: &[u8]) -> Result<String, Error> {
        let plain = open(&self.reference_key()?, sealed, recipient.0.as_bytes())?;
        String::from_utf8(plain.to_vec()).map_err(|_| Error::Damaged)
    }

    fn reference_key(&self) -> Result<Zeroizing<[u8; 32]>, Error> {
        Ok(Zeroizing::new(hmac(&self.keys()?.lookup, &[b"recipient reference"])))
    }
}
