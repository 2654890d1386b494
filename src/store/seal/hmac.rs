//! HMAC-SHA-256 (RFC 2104).
//!
//! Each message needs about ten. OpenSSL's own HMAC looks its algorithms up by name each time, which costs many times the
//! hashing; its SHA-256 does not.

use openssl::sha::Sha256;
use zeroize::Zeroizing;

use super::keyring::Key;

/// The bytes that SHA-256 takes at a time.
const BLOCK: usize = 64;

/// HMAC-SHA-256 over the parts, each preceded by its length so that no two lists of parts look alike.
pub(super) fn hmac(key: &Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut inner = keyed(key, 0x36);
    for part in parts {
        inner.update(&(part.len() as u64).to_be_bytes());
        inner.update(part);
    }
    let mut outer = keyed(key, 0x5c);
    outer.update(&inner.finish());
    outer.finish()
}

fn keyed(key: &Key, pad: u8) -> Sha256 {
    let mut block = Zeroizing::new([pad; BLOCK]);
    block.iter_mut().zip(key.iter()).for_each(|(byte, key)| *byte ^= key);
    let mut hash = Sha256::new();
    hash.update(&*block);
    hash
}

#[cfg(test)]
mod tests {
    use openssl::hash::MessageDigest;
    use openssl::pkey::PKey;
    use openssl::sign::Signer;

    use super::*;

    #[test]
    fn it_is_the_hmac_of_openssl() {
        for (length, count) in [(0, 0), (1, 1), (55, 2), (64, 3), (1000, 2)] {
            let (key, part) = (Key::new([0xa5; 32]), vec![7; length]);
            let parts = vec![part.as_slice(); count];

            let reference = PKey::hmac(key.as_slice()).unwrap();
            let mut reference = Signer::new(MessageDigest::sha256(), &reference).unwrap();
            for part in &parts {
                reference.update(&(length as u64).to_be_bytes()).unwrap();
                reference.update(part).unwrap();
            }

            assert_eq!(hmac(&key, &parts).as_slice(), reference.sign_to_vec().unwrap());
        }
    }
}
