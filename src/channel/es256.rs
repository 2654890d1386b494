//! Tokens that a P-256 key signs: a JWT (RFC 7519) with ES256 (RFC 7518, section 3.4).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::Private;
use serde_json::Value;

use crate::domain::secret::Credential;

const CURVE: Nid = Nid::X9_62_PRIME256V1;

/// Bytes of a number in a signature.
const NUMBER: i32 = 32;

/// A private key on P-256.
pub(super) struct Es256Key(EcKey<Private>);

impl Es256Key {
    /// A key in PEM (PKCS#8 or SEC 1); `None` if it is none, or of another curve.
    pub(super) fn from_pem(pem: &Credential) -> Option<Self> {
        let key = openssl::pkey::PKey::private_key_from_pem(pem.expose().as_bytes()).ok()?.ec_key().ok()?;
        (key.group().curve_name() == Some(CURVE) && key.check_key().is_ok()).then_some(Self(key))
    }

    /// A key as tools for Web Push write it: its number, in base64url. `None` if it is none.
    pub(super) fn from_number(text: &Credential) -> Option<Self> {
        let number = URL_SAFE_NO_PAD.decode(text.expose().trim().trim_end_matches('=')).ok()?;
        if number.len() != 32 {
            return None;
        }
        Self::of_number(&number).ok()
    }

    pub(super) fn generate() -> Result<Self, ErrorStack> {
        Ok(Self(EcKey::generate(EcGroup::from_curve_name(CURVE)?.as_ref())?))
    }

    pub(super) fn of_number(number: &[u8]) -> Result<Self, ErrorStack> {
        let group = EcGroup::from_curve_name(CURVE)?;
        let (number, mut context) = (BigNum::from_slice(number)?, BigNumContext::new()?);
        let mut public = EcPoint::new(&group)?;
        public.mul_generator2(&group, &number, &mut context)?;
        let key = EcKey::from_private_components(&group, &number, &public)?;
        key.check_key()?;
        Ok(Self(key))
    }

    pub(super) fn key(&self) -> &EcKey<Private> {
        &self.0
    }

    /// The public key: 65 bytes, uncompressed.
    pub(super) fn public(&self) -> Result<Vec<u8>, ErrorStack> {
        let (group, mut context) = (self.0.group(), BigNumContext::new()?);
        self.0.public_key().to_bytes(group, PointConversionForm::UNCOMPRESSED, &mut context)
    }

    /// A signed token.
    pub(super) fn token(&self, head: &Value, claims: &Value) -> Result<String, ErrorStack> {
        let [head, claims] = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{head}.{claims}");
        let digest = openssl::hash::hash(MessageDigest::sha256(), signed.as_bytes())?;
        let signature = EcdsaSig::sign(&digest, &self.0)?;
        let numbers = [signature.r().to_vec_padded(NUMBER)?, signature.s().to_vec_padded(NUMBER)?].concat();
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(numbers)))
    }
}

#[cfg(test)]
mod tests {
    use openssl::pkey::PKey;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_read_in_each_form_and_no_other_curve_is_taken() {
        let Es256Key(key) = Es256Key::generate().unwrap();
        let number = Credential::new(URL_SAFE_NO_PAD.encode(key.private_key().to_vec_padded(NUMBER).unwrap()));
        let public = Es256Key(key.clone()).public().unwrap();
        let pem = |bytes: Vec<u8>| Credential::new(String::from_utf8(bytes).unwrap());
        let sec1 = pem(key.private_key_to_pem().unwrap());
        let pkcs8 = pem(PKey::from_ec_key(key).unwrap().private_key_to_pem_pkcs8().unwrap());
        for read in [Es256Key::from_pem(&sec1), Es256Key::from_pem(&pkcs8), Es256Key::from_number(&number)] {
            assert_eq!(read.unwrap().public().unwrap(), public);
        }
        let other = EcKey::generate(&EcGroup::from_curve_name(Nid::SECP384R1).unwrap()).unwrap();
        assert!(Es256Key::from_pem(&pem(other.private_key_to_pem().unwrap())).is_none());
        for bad in ["", "AAAA", &URL_SAFE_NO_PAD.encode([0; 32]), &URL_SAFE_NO_PAD.encode([255; 32])] {
            assert!(Es256Key::from_number(&Credential::new(bad.to_owned())).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_signature_is_two_numbers_of_32_bytes_that_openssl_verifies() {
        let key = Es256Key::generate().unwrap();
        let token = key.token(&json!({ "alg": "ES256" }), &json!({ "iss": "TEAM" })).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert_eq!(signature.len(), 64);
        let number = |at: std::ops::Range<usize>| BigNum::from_slice(&signature[at]).unwrap();
        let signature = EcdsaSig::from_private_components(number(0..32), number(32..64)).unwrap();
        let digest = openssl::hash::hash(MessageDigest::sha256(), signed.as_bytes()).unwrap();
        assert!(signature.verify(&digest, &key.0).unwrap());
    }
}
