//! Keys: making one, saying what kind it is, and naming it by its pin.

use std::fmt;

use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private};
use openssl::x509::X509Ref;

use super::Error;
use crate::domain::secret::Credential;

/// Below this an RSA key counts as breakable (NIST SP 800-131A).
const RSA_MIN_BITS: u32 = 2048;

const ENCRYPTED: &[u8] = b"ENCRYPTED";

/// What sort of key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA, with its size in bits.
    Rsa(u32),
    /// The NIST curve P-256.
    P256,
    /// The NIST curve P-384.
    P384,
    /// Anything else, by OpenSSL's name for it.
    Other(String),
}

impl KeyKind {
    /// The kind of `key`.
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

    /// Refuses what is too weak, or what a common peer could not use.
    pub(super) fn fit(self) -> Result<Self, Error> {
        match self {
            Self::Rsa(bits) if bits < RSA_MIN_BITS => Err(Error::UnfitKey(self)),
            Self::Rsa(_) | Self::P256 | Self::P384 => Ok(self),
            Self::Other(_) => Err(Error::UnfitKey(self)),
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

/// Makes a P-256 key: every TLS 1.2 and 1.3 peer takes it, and its handshake is the cheapest.
pub(super) fn generate() -> Result<PKey<Private>, ErrorStack> {
    PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?)?)
}

/// Whether this PEM text of a private key can be read with a passphrase only.
pub fn is_locked(key_pem: &[u8]) -> bool {
    // `ENCRYPTED PRIVATE KEY` in PKCS#8, `Proc-Type: 4,ENCRYPTED` in the older forms.
    key_pem.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED)
}

/// Reads a private key from PEM, encrypted or not.
pub(super) fn unlock(key_pem: &[u8], passphrase: Option<&Credential>) -> Result<PKey<Private>, Error> {
    match (is_locked(key_pem), passphrase) {
        (false, _) => Ok(PKey::private_key_from_pem_callback(key_pem, |_| Ok(0))?),
        (true, None) => Err(Error::Locked),
        (true, Some(words)) => PKey::private_key_from_pem_passphrase(key_pem, words.expose().as_bytes())
            .map_err(|_| Error::WrongPassphrase),
    }
}

/// Names the certificate's key: base64 of the SHA-256 of its SubjectPublicKeyInfo (RFC 7469, 2.4).
/// It stays the same when a certificate is renewed for the same key.
pub fn spki_pin(certificate: &X509Ref) -> Result<String, Error> {
    pin_of(&*certificate.public_key()?)
}

/// Names a key, as [`spki_pin`] names a certificate's.
pub(super) fn pin_of<T: HasPublic>(key: &PKeyRef<T>) -> Result<String, Error> {
    Ok(openssl::base64::encode_block(&openssl::sha::sha256(&key.public_key_to_der()?)))
}
