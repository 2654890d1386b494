//! Private and public keys: generating and reading them, their kinds, and SPKI pins.

use std::fmt;

use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private};
use openssl::x509::X509Ref;

use super::Error;
use crate::domain::secret::Credential;

/// Shorter RSA keys are not acceptable (NIST SP 800-131A).
const RSA_MIN_BITS: u32 = 2048;

const ENCRYPTED: &[u8] = b"ENCRYPTED";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// With its size in bits.
    Rsa(u32),
    P256,
    P384,
    /// By OpenSSL's name.
    Other(String),
}

impl KeyKind {
    pub fn of<T: HasPublic>(key: &PKeyRef<T>) -> Self {
        match key.id() {
            Id::RSA => Self::Rsa(key.bits()),
            Id::EC => match key.ec_key().ok().and_then(|ec| ec.group().curve_name()) {
                Some(Nid::X9_62_PRIME256V1) => Self::P256,
                Some(Nid::SECP384R1) => Self::P384,
                curve => Self::Other(curve.and_then(|nid| nid.short_name().ok()).unwrap_or("EC").to_owned()),
            },
            id => Self::Other(Nid::from_raw(id.as_raw()).short_name().unwrap_or("of an unknown kind").to_owned()),
        }
    }

    /// Fails if the key is weak, or if some TLS peers do not support it.
    pub(super) fn check_supported(self) -> Result<Self, Error> {
        match self {
            Self::Rsa(bits) if bits < RSA_MIN_BITS => Err(Error::UnsupportedKey(self)),
            Self::Rsa(_) | Self::P256 | Self::P384 => Ok(self),
            Self::Other(_) => Err(Error::UnsupportedKey(self)),
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::P256 => f.write_str("P-256"),
            Self::P384 => f.write_str("P-384"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// Generates a P-256 key: every TLS 1.2 and 1.3 peer supports it, and its handshake is the cheapest.
pub(super) fn generate() -> Result<PKey<Private>, ErrorStack> {
    PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?)?)
}

/// Whether a private key in PEM is encrypted.
pub fn is_encrypted(key_pem: &[u8]) -> bool {
    // `ENCRYPTED PRIVATE KEY` in PKCS#8, `Proc-Type: 4,ENCRYPTED` in the older forms.
    key_pem.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED)
}

/// Reads a private key from PEM, encrypted or not.
pub(super) fn read_private_key(key_pem: &[u8], passphrase: Option<&Credential>) -> Result<PKey<Private>, Error> {
    match (is_encrypted(key_pem), passphrase) {
        (false, _) => Ok(PKey::private_key_from_pem_callback(key_pem, |_| Ok(0))?),
        (true, None) => Err(Error::EncryptedKey),
        (true, Some(passphrase)) => PKey::private_key_from_pem_passphrase(key_pem, passphrase.expose().as_bytes())
            .map_err(|_| Error::WrongPassphrase),
    }
}

/// The SPKI pin of the certificate's key: the base64 of the SHA-256 of its SubjectPublicKeyInfo (RFC 7469, section
/// 2.4). It stays the same when a certificate is renewed for the same key.
pub fn spki_pin(certificate: &X509Ref) -> Result<String, Error> {
    pin_of(&*certificate.public_key()?)
}

/// The SPKI pin of a key.
pub(super) fn pin_of<T: HasPublic>(key: &PKeyRef<T>) -> Result<String, Error> {
    Ok(openssl::base64::encode_block(&openssl::sha::sha256(&key.public_key_to_der()?)))
}
