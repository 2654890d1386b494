//! Opens JSON Web Encryption: one compact text and our keys in, the plaintext out (RFC 7516).
//!
//! Just what the processor's contract uses: RSA-OAEP-256 or RSA-OAEP, and A256GCM. No clock, no files, no logging.
//! Which of several checks failed, and under which key, is nowhere to be seen: not in the answer, not in the time.

mod compact;
mod oaep;

use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use zeroize::Zeroizing;

use compact::Sealed;

/// The largest plaintext: what a plain body may be.
pub const PLAINTEXT_MAX: usize = 16 * 1024;

/// Of an RSA modulus: NIST SP 800-131A from below, and what one request may cost from above.
const KEY_BITS: std::ops::RangeInclusive<u32> = 2048..=4096;

/// Why a text was not opened. Senders are told neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
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
pub struct Unfit;

/// A private key that opens.
pub struct Key {
    rsa: Rsa<Private>,
    bytes: usize,
}

impl Key {
    /// Takes an RSA key of 2048 to 4096 bits.
    pub fn new(key: &PKey<Private>) -> Result<Self, Unfit> {
        let rsa = key.rsa().map_err(|_| Unfit)?;
        let bytes = usize::try_from(rsa.size()).map_err(|_| Unfit)?;
        if KEY_BITS.contains(&key.bits()) { Ok(Self { rsa, bytes }) } else { Err(Unfit) }
    }

    // Always gives a key. When the block is not what OAEP makes of 32 bytes, it is a random one, and the tag will not
    // fit: whoever sent it cannot tell the one failure from the other (RFC 7516, 11.5). OpenSSL's own OAEP would do as
    // well, but takes longer to report its errors than to find none; so it does the arithmetic only.
    fn unwrap(&self, sealed: &Sealed) -> Result<Zeroizing<[u8; oaep::KEY_BYTES]>, ErrorStack> {
        let mut random = Zeroizing::new([0; oaep::KEY_BYTES]);
        openssl::rand::rand_bytes(&mut *random)?;
        let mut block = Zeroizing::new(vec![0; self.bytes]);
        // Fails for a number that is not below the modulus, which everybody can see; the zeros it leaves do not fit.
        let _ = self.rsa.private_decrypt(&sealed.encrypted_key, &mut block, Padding::NONE);
        oaep::unpad(&mut block, sealed.digest, &random)
    }
}

/// Opens `compact` with whichever of `keys` fits. All keys of the right length are tried to the end, so that the time
/// does not tell which one it was; a key of another length cannot be meant. The plaintext is wiped when dropped.
pub fn open(keys: &[Key], compact: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let sealed = Sealed::parse(compact).ok_or(Failure::Malformed)?;
    let mut opened = Err(Failure::Undecipherable);
    for key in keys.iter().filter(|key| key.bytes == sealed.encrypted_key.len()) {
        let plaintext = key.unwrap(&sealed).and_then(|content_key| decipher(&sealed, &content_key));
        if let (Ok(plaintext), Err(_)) = (plaintext, &opened) {
            opened = Ok(plaintext);
        }
    }
    opened
}

fn decipher(sealed: &Sealed, key: &[u8; oaep::KEY_BYTES]) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
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
