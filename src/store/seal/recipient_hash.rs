//! Recipients in logs: an encrypted id, from which the id is found again without a table or an index.

use openssl::symm::{Cipher, Crypter, Mode};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::hmac::hmac;
use super::{Error, Sealer};
use crate::domain::recipient::RecipientId;

impl Sealer {
    /// A name of a recipient for logs: its id, encrypted as one block, so that nobody without the keys can tell whose it is,
    /// and [`Sealer::recipient_of`] finds the id again without a table.
    pub fn recipient_hash(&self, recipient: RecipientId) -> Result<String, Error> {
        Ok(hex::encode(self.one_block(Mode::Encrypt, recipient.0.as_bytes())?))
    }

    /// The recipient that [`Sealer::recipient_hash`] named so; `None` when the text is not such a name.
    pub fn recipient_of(&self, hash: &str) -> Result<Option<RecipientId>, Error> {
        let mut block = [0; 16];
        if hex::decode_to_slice(hash, &mut block).is_err() {
            return Ok(None);
        }
        let id = self.one_block(Mode::Decrypt, &block)?;
        Ok(Some(RecipientId(Uuid::from_bytes(id))))
    }

    // Ids are random and differ in every block: a cipher without chaining shows nothing but equality.
    fn one_block(&self, mode: Mode, block: &[u8; 16]) -> Result<[u8; 16], Error> {
        let key = Zeroizing::new(hmac(&self.keys()?.lookup, &[b"recipient in logs"]));
        let mut cipher = Crypter::new(Cipher::aes_256_ecb(), mode, key.as_slice(), None)?;
        cipher.pad(false);
        // OpenSSL asks for room for one block more than it writes.
        let mut out = [0; 32];
        let written = cipher.update(block, &mut out)?;
        cipher.finalize(&mut out[written..])?;
        out.first_chunk().copied().ok_or(Error::Damaged)
    }
}
