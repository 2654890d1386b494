//! One-time codes of an authenticator app: TOTP after RFC 6238 with SHA-1, 6 digits and 30 seconds, which every app reads.

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use zeroize::Zeroizing;

use super::codes;
use crate::domain::clock::Timestamp;

const STEP_SECONDS: i64 = 30;
const DIGITS: usize = 6;

/// Steps before and after the present one whose codes are accepted: clocks differ, and typing takes time (RFC 6238, 5.2).
const DRIFT: i64 = 1;

/// 160 bits, as long as the hash (RFC 4226, 4).
const SECRET_BYTES: usize = 20;

/// What an authenticator app and otpost share.
pub struct TotpSecret(Zeroizing<Vec<u8>>);

impl TotpSecret {
    /// A new one.
    pub fn random() -> Result<Self, ErrorStack> {
        Ok(Self(Zeroizing::new(codes::random::<SECRET_BYTES>()?.to_vec())))
    }

    /// Reads [`TotpSecret::text`]; `None` if it is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(codes::read_base32(text)?);
        (bytes.len() == SECRET_BYTES).then_some(Self(bytes))
    }

    pub(super) fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The secret for typing into an app.
    pub fn text(&self) -> String {
        codes::base32(&self.0)
    }

    /// The secret as an app reads it from a QR code.
    pub fn uri(&self, user: &str) -> String {
        format!("otpauth://totp/otpost:{user}?secret={}&issuer=otpost", self.text())
    }

    /// The step whose code was typed; `None` if it is no code of about now, or of a step up to `used`.
    pub(super) fn matching_step(&self, typed: &str, used: i64, now: Timestamp) -> Result<Option<i64>, ErrorStack> {
        let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        let now = now.micros().div_euclid(1_000_000 * STEP_SECONDS);
        let mut found = None;
        for step in now - DRIFT..=now + DRIFT {
            let code = self.code(step)?;
            let is_equal = code.len() == typed.len() && openssl::memcmp::eq(code.as_bytes(), typed.as_bytes());
            if is_equal && step > used {
                found = Some(step);
            }
        }
        Ok(found)
    }

    fn code(&self, step: i64) -> Result<String, ErrorStack> {
        let key = PKey::hmac(&self.0)?;
        let mut signer = Signer::new(MessageDigest::sha1(), &key)?;
        signer.update(&step.to_be_bytes())?;
        let mac = signer.sign_to_vec()?;
        // RFC 4226, 5.3: the last four bits say where the code is.
        let at = usize::from(mac[mac.len() - 1] & 0xf);
        let number = u32::from_be_bytes([mac[at] & 0x7f, mac[at + 1], mac[at + 2], mac[at + 3]]);
        Ok(format!("{:0DIGITS$}", number % 1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        let secret = TotpSecret(Zeroizing::new(b"12345678901234567890".to_vec()));

        for (seconds, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(secret.code(seconds / 30).unwrap(), code);
            assert_eq!(secret.matching_step(code, 0, at(seconds)).unwrap(), Some(seconds / 30));
        }
    }

    #[test]
    fn a_code_is_accepted_one_step_early_or_late_and_only_once() {
        let secret = TotpSecret::random().unwrap();
        let code = secret.code(100).unwrap();
        let step = |used, seconds| secret.matching_step(&code, used, at(seconds)).unwrap();

        assert_eq!([step(0, 99 * 30), step(0, 100 * 30), step(0, 101 * 30 + 29)], [Some(100); 3]);
        assert_eq!([step(0, 98 * 30 + 29), step(0, 102 * 30), step(100, 100 * 30)], [None; 3]);
    }

    #[test]
    fn a_secret_is_read_as_it_is_shown() {
        let secret = TotpSecret::random().unwrap();
        assert_eq!(TotpSecret::parse(&secret.text().to_lowercase()).unwrap().bytes(), secret.bytes());
        assert!(TotpSecret::parse("MZXW6YTB").is_none() && TotpSecret::parse("no secret").is_none());
    }
}
