//! Opens JSON Web Encryption: one compact text and our keys in, the plaintext out (RFC 7516).
//!
//! Just what the processor's contract uses: RSA-OAEP-256 or RSA-OAEP, and A256GCM. No clock, no files, no logging.
//! Which of several checks failed, and under which key, is nowhere to be seen: not in the answer, not in the time.

pub(super) mod decryptor;
pub(super) mod envelope;

mod compact;
mod oaep;

use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use zeroize::Zeroizing;

use compact::CompactJwe;

/// The largest plaintext: what a plain body may be.
pub const PLAINTEXT_MAX: usize = 16 * 1024;

/// Of an RSA modulus: NIST SP 800-131A from below, and what one request may cost from above.
const KEY_BITS: std::ops::RangeInclusive<u32> = 2048..=4096;

/// Why a text was not opened. Senders are told neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// Seen without any key: not five parts of strict base64url, another algorithm, a wrong length.
    #[error("not a JWE of the expected form")]
    Malformed,
    /// No key of ours opens it, or it was changed on its way.
    #[error("no key opens it")]
    Undecipherable,
}

/// The key is not RSA of 2048 to 4096 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an RSA key of 2048 to 4096 bits")]
pub struct UnsuitableKey;

/// A private key that opens.
pub struct DecryptionKey {
    rsa: Rsa<Private>,
    modulus: Vec<u8>,
    // The number 2, as long as the modulus.
    instead: Vec<u8>,
}

impl DecryptionKey {
    /// Takes an RSA key of 2048 to 4096 bits.
    pub fn new(key: &PKey<Private>) -> Result<Self, UnsuitableKey> {
        let rsa = key.rsa().map_err(|_| UnsuitableKey)?;
        let modulus = rsa.n().to_vec();
        let instead = [vec![0; modulus.len().saturating_sub(1)], vec![2]].concat();
        if KEY_BITS.contains(&key.bits()) { Ok(Self { rsa, modulus, instead }) } else { Err(UnsuitableKey) }
    }

    // Always gives a key. When the block is not what OAEP makes of 32 bytes, it is a random one, and the tag will not
    // fit: whoever sent it cannot tell the one failure from the other (RFC 7516, 11.5). OpenSSL does no more than the
    // arithmetic: its own OAEP reports errors on a path of its own, which takes longer than the good one.
    fn unwrap(&self, sealed: &CompactJwe) -> Result<Zeroizing<[u8; oaep::KEY_BYTES]>, ErrorStack> {
        let mut random = Zeroizing::new([0; oaep::KEY_BYTES]);
        openssl::rand::rand_bytes(&mut *random)?;
        // A number that is not below the modulus stands for nothing; this one costs as much and fits as little.
        let number = if sealed.encrypted_key < self.modulus { &sealed.encrypted_key } else { &self.instead };
        let mut block = Zeroizing::new(vec![0; self.modulus.len()]);
        self.rsa.private_decrypt(number, &mut block, Padding::NONE)?;
        oaep::unpad(&mut block, sealed.digest, &random)
    }
}

/// Opens `compact` with whichever of `keys` fits. All keys of the right length are tried to the end, so that the time
/// does not tell which one it was; a key of another length cannot be meant. The plaintext is wiped when dropped.
pub fn open(keys: &[DecryptionKey], compact: &str) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    let sealed = CompactJwe::parse(compact).ok_or(DecryptError::Malformed)?;
    let mut opened = Err(DecryptError::Undecipherable);
    for key in keys.iter().filter(|key| key.modulus.len() == sealed.encrypted_key.len()) {
        let plaintext = key.unwrap(&sealed).and_then(|content_key| decipher(&sealed, &content_key));
        if let (Ok(plaintext), Err(_)) = (plaintext, &opened) {
            opened = Ok(plaintext);
        }
    }
    opened
}

fn decipher(sealed: &CompactJwe, key: &[u8; oaep::KEY_BYTES]) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
    let mut plaintext = Zeroizing::new(vec![0; sealed.ciphertext.len()]);
    let mut cipher = CipherCtx::new()?;
    cipher.decrypt_init(Some(Cipher::aes_256_gcm()), Some(key), Some(&sealed.iv))?;
    cipher.set_tag(&sealed.tag)?;
    cipher.cipher_update(sealed.protected.as_bytes(), None)?;
    cipher.cipher_update(&sealed.ciphertext, Some(&mut plaintext))?;
    cipher.cipher_final(&mut [])?;
    Ok(plaintext)
}

#[cfg(test)]
mod tests;
