//! OAEP for one length of message (RFC 8017, 7.1.2): the block either holds exactly a content key, or it is not ours.
//!
//! The length is known, so nothing is searched for: all that is not the key is compared with what must stand there,
//! at once and in constant time. No branch depends on what the block holds.

use openssl::error::ErrorStack;
use openssl::hash::{Hasher, MessageDigest};
use zeroize::Zeroizing;

/// Of a content key for A256GCM.
pub(super) const KEY_BYTES: usize = 32;

/// The digest of OAEP and of its mask alike (RFC 7518, 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digest {
    Sha1,
    Sha256,
}

impl Digest {
    const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn message_digest(self) -> MessageDigest {
        match self {
            Self::Sha1 => MessageDigest::sha1(),
            Self::Sha256 => MessageDigest::sha256(),
        }
    }
}

/// The key in `block`, an RSA block as long as the modulus, or `otherwise` when there is none.
pub(super) fn unpad(
    block: &mut [u8],
    digest: Digest,
    otherwise: &[u8; KEY_BYTES],
) -> Result<Zeroizing<[u8; KEY_BYTES]>, ErrorStack> {
    let mut hasher = Hasher::new(digest.message_digest())?;
    let (seed, masked) = block[1..].split_at_mut(digest.bytes());
    mask(&mut hasher, masked, seed)?;
    mask(&mut hasher, seed, masked)?;
    // Now: 0, seed, digest of the empty label, zeros, 1, key. The seed may be anything.
    seed.fill(0);
    let mut expected = vec![0; block.len() - KEY_BYTES];
    expected[1 + digest.bytes()..][..digest.bytes()].copy_from_slice(&hasher.finish()?);
    if let Some(last) = expected.last_mut() {
        *last = 1;
    }
    let (frame, key) = block.split_at(expected.len());
    let keep = u8::from(openssl::memcmp::eq(frame, &expected)).wrapping_neg();
    let mut chosen = Zeroizing::new([0; KEY_BYTES]);
    for ((chosen, found), other) in chosen.iter_mut().zip(key).zip(otherwise) {
        *chosen = (found & keep) | (other & !keep);
    }
    Ok(chosen)
}

// MGF1 of `seed` laid over `target` (RFC 8017, B.2.1).
fn mask(hasher: &mut Hasher, seed: &[u8], target: &mut [u8]) -> Result<(), ErrorStack> {
    let mut counter = 0_u32;
    let mut at = 0;
    while at < target.len() {
        hasher.update(seed)?;
        hasher.update(&counter.to_be_bytes())?;
        let piece = Zeroizing::new(hasher.finish()?.to_vec());
        target[at..].iter_mut().zip(piece.iter()).for_each(|(byte, mask)| *byte ^= mask);
        (at, counter) = (at + piece.len(), counter + 1);
    }
    Ok(())
}
