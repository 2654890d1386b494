//! Decrypts JSON Web Encryption (RFC 7516): a compact text and our keys in, the plaintext out.
//!
//! It accepts what the processor's contract uses: RSA-OAEP-256 or RSA-OAEP, and A256GCM. No clock, no files, no logging.
//! Neither the answer nor the time reveals which check failed or under which key.
//!
//! OpenSSL removes the OAEP padding. What was checked, in its version 3.6: `RSA_padding_check_PKCS1_OAEP_mgf1` runs in
//! constant time, leaves the output unchanged when the padding is wrong, and copies the result without revealing its
//! length. (Implicit rejection is for PKCS #1 v1.5 only.) So the output begins as a random key, as RFC 7516, 11.5 asks: after bad
//! padding that key is used, the tag does not match, and the request fails where it fails for a wrong tag. What is left
//! of a difference is the error that OpenSSL queues and this crate drops. A number that is not below the modulus is
//! rejected early; the sender knows that, since the modulus is public.

pub(super) mod decryptor;
pub(super) mod envelope;

mod compact;

use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::encrypt::Decrypter;
use openssl::error::ErrorStack;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::Padding;
use zeroize::Zeroizing;

use compact::CompactJwe;

/// The largest plaintext: what a plain body may be.
pub const PLAINTEXT_MAX: usize = 16 * 1024;

/// The length of a content key for A256GCM.
const KEY_BYTES: usize = 32;

/// The length of an RSA modulus: at least what NIST SP 800-131A asks for, at most what one request may cost.
const KEY_BITS: std::ops::RangeInclusive<u32> = 2048..=4096;

/// Why a text was not decrypted. The sender learns neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecryptError {
    /// Found without a key: not five parts of strict base64url, another algorithm, a wrong length.
    Malformed,
    /// None of our keys decrypts it, or it was modified.
    Undecipherable,
}

impl DecryptError {
    /// The reason, for our log.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "not a JWE of the expected form",
            Self::Undecipherable => "no key decrypts it",
        }
    }
}

impl std::fmt::Display for DecryptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for DecryptError {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an RSA key of 2048 to 4096 bits")]
pub struct UnsuitableKey;

/// A private key for encrypted bodies.
pub struct DecryptionKey(PKey<Private>);

impl DecryptionKey {
    /// Takes an RSA key of 2048 to 4096 bits.
    pub fn new(key: &PKey<Private>) -> Result<Self, UnsuitableKey> {
        let fits = key.id() == Id::RSA && KEY_BITS.contains(&key.bits());
        if fits { Ok(Self(key.clone())) } else { Err(UnsuitableKey) }
    }

    // The content key, or a random one when the padding does not hold exactly 32 bytes.
    fn unwrap(&self, sealed: &CompactJwe) -> Result<Zeroizing<[u8; KEY_BYTES]>, ErrorStack> {
        let mut rsa = Decrypter::new(&self.0)?;
        rsa.set_rsa_padding(Padding::PKCS1_OAEP)?;
        rsa.set_rsa_oaep_md(sealed.digest)?;
        rsa.set_rsa_mgf1_md(sealed.digest)?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        openssl::rand::rand_bytes(&mut *key)?;
        let mut block = Zeroizing::new(vec![0; self.0.size()]);
        block[..KEY_BYTES].copy_from_slice(&*key);
        if let Ok(KEY_BYTES) | Err(_) = rsa.decrypt(&sealed.encrypted_key, &mut block) {
            key.copy_from_slice(&block[..KEY_BYTES]);
        }
        Ok(key)
    }
}

/// Decrypts `compact` with one of `keys`. All keys of the right length are tried, so that the time does not reveal which
/// one it was; a key of another length cannot be the right one. The plaintext is wiped when dropped.
pub fn open(keys: &[DecryptionKey], compact: &str) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    let sealed = CompactJwe::parse(compact).ok_or(DecryptError::Malformed)?;
    let mut opened = Err(DecryptError::Undecipherable);
    for key in keys.iter().filter(|key| key.0.size() == sealed.encrypted_key.len()) {
        let plaintext = key.unwrap(&sealed).and_then(|content_key| decipher(&sealed, &content_key));
        if let (Ok(plaintext), Err(_)) = (plaintext, &opened) {
            opened = Ok(plaintext);
        }
    }
    opened
}

fn decipher(sealed: &CompactJwe, key: &[u8; KEY_BYTES]) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
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
