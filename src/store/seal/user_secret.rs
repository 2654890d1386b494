//! Secrets of the console's users: what a stolen database must not give away without the seal key.

use zeroize::Zeroizing;

use super::{Error, Sealer, epoch_of, open, seal};

impl Sealer {
    /// Seals a secret of a user of the console.
    pub fn seal_user_secret(&self, user: &str, label: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
        let master = self.keys()?.master();
        seal(&master.user, master.epoch, &aad(user, label), plain)
    }

    /// Opens what [`Sealer::seal_user_secret`] sealed for the same user.
    pub fn open_user_secret(&self, user: &str, label: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let master = self.keys()?.master_of(epoch_of(sealed)?)?;
        open(&master.user, sealed, &aad(user, label))
    }

    /// Seals a secret with the current key; `None` if it is already.
    pub fn reseal_user_secret(&self, user: &str, label: &[u8], sealed: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        if epoch_of(sealed)? == self.keys()?.master().epoch {
            return Ok(None);
        }
        let plain = self.open_user_secret(user, label, sealed)?;
        self.seal_user_secret(user, label, &plain).map(Some)
    }
}

// The label has no zero byte.
fn aad(user: &str, label: &[u8]) -> Vec<u8> {
    [label, &[0], user.as_bytes()].concat()
}
