//! Encodings of the public key that processors get. The processor's specification says base64, but not of what.

use openssl::error::ErrorStack;
use openssl::pkey::{HasPublic, PKeyRef};
use serde::{Deserialize, Serialize};

/// The encoding of `publicKey`.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, strum::EnumString, strum::VariantNames,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum PublicKeyFormat {
    /// Base64 of the DER of the SubjectPublicKeyInfo (RFC 5280, section 4.1), on one line.
    #[default]
    SpkiDer,
    /// Base64 of the PEM text, on one line.
    PemBase64,
    /// PEM with line breaks.
    Pem,
}

impl PublicKeyFormat {
    /// Encodes `key`. The same key always gives the same text.
    pub fn encode<T: HasPublic>(self, key: &PKeyRef<T>) -> Result<String, ErrorStack> {
        match self {
            Self::SpkiDer => Ok(openssl::base64::encode_block(&key.public_key_to_der()?)),
            Self::PemBase64 => Ok(openssl::base64::encode_block(&key.public_key_to_pem()?)),
            Self::Pem => Ok(String::from_utf8_lossy(&key.public_key_to_pem()?).into_owned()),
        }
    }
}
