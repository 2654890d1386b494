//! Encrypts a message for one subscription: RFC 8291, which is `aes128gcm` (RFC 8188) in one record with a key that both sides agree on.

use openssl::derive::Deriver;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rand::rand_bytes;
use openssl::symm::{Cipher, encrypt_aead};
use zeroize::Zeroizing;

use super::subscription::Receiver;
use crate::channel::es256::Es256Key;
use crate::channel::hmac::hmac;

/// The size of a record, which is also the most that push services must take (RFC 8030, section 7.2).
const RECORD: u32 = 4096;

const SALT: usize = 16;
const TAG: usize = 16;

/// The longest text: a record without the header, the delimiter and the tag.
pub(super) const TEXT_MAX: usize = RECORD as usize - (SALT + 4 + 1 + 65) - 1 - TAG;

/// Encrypts `text` with a new key and a new salt.
pub(super) fn seal(receiver: &Receiver, text: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let mut salt = [0; SALT];
    rand_bytes(&mut salt)?;
    seal_with(receiver, text, &Es256Key::generate()?, salt)
}

fn seal_with(receiver: &Receiver, text: &[u8], sender: &Es256Key, salt: [u8; SALT]) -> Result<Vec<u8>, ErrorStack> {
    let public = sender.public()?;
    let (own, other) = (PKey::from_ec_key(sender.key().clone())?, PKey::from_ec_key(receiver.key.clone())?);
    let mut deriver = Deriver::new(&own)?;
    deriver.set_peer(&other)?;
    let agreed = Zeroizing::new(deriver.derive_to_vec()?);
    let of_both = [b"WebPush: info\0", receiver.public.as_slice(), &public].concat();
    let secret = Zeroizing::new(hkdf(&receiver.auth, &agreed, &of_both)?);
    let key = Zeroizing::new(hkdf(&salt, &secret, b"Content-Encoding: aes128gcm\0")?);
    let nonce = hkdf(&salt, &secret, b"Content-Encoding: nonce\0")?;
    // The last record ends with a two.
    let record = Zeroizing::new([text, &[2]].concat());
    let mut tag = [0; TAG];
    let sealed = encrypt_aead(Cipher::aes_128_gcm(), &key[..16], Some(&nonce[..12]), &[], &record, &mut tag)?;
    Ok([&salt[..], &RECORD.to_be_bytes(), &[65], &public, &sealed, &tag].concat())
}

/// The first 32 bytes of HKDF with SHA-256 (RFC 5869).
fn hkdf(salt: &[u8], secret: &[u8], info: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let extracted = Zeroizing::new(hmac(MessageDigest::sha256(), salt, &[secret])?);
    hmac(MessageDigest::sha256(), &extracted, &[info, &[1]])
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    #[test]
    fn the_example_of_rfc_8291_is_made() {
        let public = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
        let receiver = Receiver::new(bytes(public), bytes("BTBZMqHH6r4Tts7J_aSIgg")).unwrap();
        let sender = Es256Key::of_number(&bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")).unwrap();
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();

        let sealed = seal_with(&receiver, b"When I grow up, I want to be a watermelon", &sender, salt).unwrap();

        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6\
                        PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(sealed), expected);
    }

    #[test]
    fn the_longest_text_fills_a_record_and_no_two_messages_look_alike() {
        let receiver = Receiver::new(Es256Key::generate().unwrap().public().unwrap(), vec![7; 16]).unwrap();
        let sealed = || seal(&receiver, &[b'x'; TEXT_MAX]).unwrap();
        assert_eq!((sealed().len(), TEXT_MAX), (4096, 3993));
        assert_ne!(sealed()[86..], sealed()[86..]);
    }
}
