//! A public key as it is handed to senders. The contract says base64 and not of what, so there are three ways.

use openssl::error::ErrorStack;
use openssl::pkey::{HasPublic, PKeyRef};
use serde::{Deserialize, Serialize};

/// How `publicKey` is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PublicKeyFormat {
    /// Base64 of the DER of its SubjectPublicKeyInfo (RFC 5280, 4.1), on one line.
    #[default]
    SpkiDer,
    /// Base64 of the PEM text, on one line.
    PemBase64,
    /// The PEM text with its line ends.
    Pem,
}

impl PublicKeyFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SpkiDer, Self::PemBase64, Self::Pem];

    /// In the configuration and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SpkiDer => "spki-der",
            Self::PemBase64 => "pem-base64",
            Self::Pem => "pem",
        }
    }

    /// `key`, written this way; the same key always gives the same text.
    pub fn write<T: HasPublic>(self, key: &PKeyRef<T>) -> Result<String, ErrorStack> {
        match self {
            Self::SpkiDer => Ok(openssl::base64::encode_block(&key.public_key_to_der()?)),
            Self::PemBase64 => Ok(openssl::base64::encode_block(&key.public_key_to_pem()?)),
            Self::Pem => Ok(String::from_utf8_lossy(&key.public_key_to_pem()?).into_owned()),
        }
    }
}
