//! Names of users, and what is made by chance: tokens of sessions, set-up codes, recovery codes.

use openssl::error::ErrorStack;
use openssl::hash::{MessageDigest, hash};

use crate::store::users::TokenHash;

/// The longest name, in characters.
const NAME_MAX: usize = 40;

/// The alphabet of RFC 4648, which authenticator apps read. It has neither 0 nor 1, which look like letters.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Whether a user can be called so.
pub(in crate::flow) fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    text.len() <= NAME_MAX && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(allowed)
}

/// `BYTES` random bytes.
pub(in crate::flow) fn random<const BYTES: usize>() -> Result<[u8; BYTES], ErrorStack> {
    let mut bytes = [0; BYTES];
    openssl::rand::rand_bytes(&mut bytes)?;
    Ok(bytes)
}

/// What is kept of a token or code.
pub(in crate::flow) fn hash_of(text: &str) -> Result<TokenHash, ErrorStack> {
    let mut kept = TokenHash::default();
    kept.copy_from_slice(&hash(MessageDigest::sha256(), text.as_bytes())?);
    Ok(kept)
}

/// A code in groups of four letters and digits, to be typed. `BYTES` is a multiple of 5.
pub(super) fn random_code<const BYTES: usize>() -> Result<String, ErrorStack> {
    let text = base32(&random::<BYTES>()?).to_lowercase();
    let groups: Vec<_> = text.as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
    Ok(groups.join("-"))
}

/// A typed code as [`random_code`] wrote it.
pub(super) fn typed_code(text: &str) -> String {
    let text: String = text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let groups: Vec<_> = text.as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
    groups.join("-")
}

/// Base32 without padding.
pub(super) fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(5) {
        let mut block = [0; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        let digits = (chunk.len() * 8).div_ceil(5);
        text.extend((0..digits).map(|at| char::from(ALPHABET[(bits >> (35 - 5 * at) & 31) as usize])));
    }
    text
}

/// Reads base32 without padding; blanks and small letters are allowed. `None` if it is anything else.
pub(super) fn read_base32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes().filter(|b| !b.is_ascii_whitespace()) {
        let digit = ALPHABET.iter().position(|it| *it == letter.to_ascii_uppercase())?;
        bits = bits << 5 | u32::try_from(digit).ok()?;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_rfc_4648() {
        for (plain, text) in [("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB")]
        {
            assert_eq!(base32(plain.as_bytes()), text);
            assert_eq!(read_base32(text).unwrap(), plain.as_bytes());
        }
        assert_eq!(read_base32("mzxw 6ytb").unwrap(), b"fooba");
        assert!(read_base32("MZXW6YT1").is_none());
    }

    #[test]
    fn a_code_can_be_typed_without_its_hyphens_and_in_capitals() {
        let code = random_code::<10>().unwrap();
        assert_eq!(code.len(), 19);
        assert_eq!(typed_code(&code.to_uppercase().replace('-', " ")), code);
    }

    #[test]
    fn names_are_short_and_plain() {
        for name in ["anna", "a", "a.b-c_9"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "9a", "Anna", "a b", "a\0", "<b>", "é", &"a".repeat(41)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
