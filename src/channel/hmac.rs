//! HMAC (RFC 2104): what signs requests, and what proves callbacks.

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;

/// The HMAC of `parts`, one after the other.
pub(super) fn hmac(digest: MessageDigest, key: &[u8], parts: &[&[u8]]) -> Result<Vec<u8>, ErrorStack> {
    let key = PKey::hmac(key)?;
    let mut signer = Signer::new(digest, &key)?;
    parts.iter().try_for_each(|part| signer.update(part))?;
    signer.sign_to_vec()
}

/// Whether `given` is the HMAC of `parts`, in constant time. `false` also if the cryptographic library fails.
pub(super) fn is_hmac(digest: MessageDigest, key: &[u8], parts: &[&[u8]], given: &[u8]) -> bool {
    hmac(digest, key, parts).is_ok_and(|it| it.len() == given.len() && openssl::memcmp::eq(&it, given))
}
