//! The public keys of an identity provider (JWK Set, RFC 7517), and what they verify (JWS, RFC 7515 and 7518).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Public};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Verifier};
use serde_json::Value;

/// Sizes of RSA keys, in bits: less is weak (RFC 7518, 3.3), more would only cost time.
const RSA_BITS: std::ops::RangeInclusive<i32> = 2048..=8192;

/// Half of a signature with P-256, and one coordinate of a point, in bytes.
const P256_BYTES: usize = 32;

/// Keys of a set that are read.
const KEYS_MAX: usize = 32;

/// How a token is signed. `none` and the algorithms with a shared key are not here: what does not parse is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Ps256,
    Es256,
}

impl Algorithm {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
        }
    }
}

/// A key of an identity provider.
#[derive(Clone)]
pub(super) struct VerificationKey {
    id: Option<String>,
    /// The only algorithm that it is for, if it says so.
    algorithm: Option<String>,
    is_rsa: bool,
    key: PKey<Public>,
}

impl VerificationKey {
    /// The keys of a set that can verify signatures; those of other kinds are left out.
    pub(super) fn read_set(set: &Value) -> Vec<Self> {
        let keys = set.get("keys").and_then(Value::as_array).into_iter().flatten().take(KEYS_MAX);
        keys.filter_map(Self::read).collect()
    }

    fn read(jwk: &Value) -> Option<Self> {
        let text = |name| jwk.get(name).and_then(Value::as_str);
        if text("use").is_some_and(|it| it != "sig") {
            return None;
        }
        let number = |name| BigNum::from_slice(&URL_SAFE_NO_PAD.decode(text(name)?).ok()?).ok();
        let (is_rsa, key) = match text("kty")? {
            "RSA" => (true, rsa(number("n")?, number("e")?)?),
            "EC" if text("crv") == Some("P-256") => (false, p256(&number("x")?, &number("y")?)?),
            _ => return None,
        };
        Some(Self { id: text("kid").map(str::to_owned), algorithm: text("alg").map(str::to_owned), is_rsa, key })
    }

    /// The key that a token with this head was signed with. Without an id there must be one only that could be it.
    pub(super) fn find<'a>(keys: &'a [Self], algorithm: Algorithm, id: Option<&str>) -> Option<&'a Self> {
        let mut fitting = keys.iter().filter(|it| it.is_for(algorithm) && (id.is_none() || it.id.as_deref() == id));
        let first = fitting.next()?;
        if id.is_none() && fitting.next().is_some() { None } else { Some(first) }
    }

    fn is_for(&self, algorithm: Algorithm) -> bool {
        let is_of_kind = self.is_rsa == matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256);
        is_of_kind && self.algorithm.as_deref().is_none_or(|it| it == algorithm.name())
    }

    /// Whether `signature` is one of this key over `signed`.
    pub(super) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        // A signature of another form is an error of the library, and no signature either.
        self.is_for(algorithm) && self.verify(algorithm, signed, signature).unwrap_or(false)
    }

    fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        let mut verifier = Verifier::new(MessageDigest::sha256(), &self.key)?;
        match algorithm {
            Algorithm::Rs256 => {}
            Algorithm::Ps256 => {
                verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
                verifier.set_rsa_mgf1_md(MessageDigest::sha256())?;
                verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
            }
            Algorithm::Es256 => {
                let Some((r, s)) = signature.split_at_checked(P256_BYTES).filter(|(_, s)| s.len() == P256_BYTES) else {
                    return Ok(false);
                };
                let pair = EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
                return verifier.verify_oneshot(&pair.to_der()?, signed);
            }
        }
        verifier.verify_oneshot(signature, signed)
    }
}

fn rsa(n: BigNum, e: BigNum) -> Option<PKey<Public>> {
    let is_sound = RSA_BITS.contains(&n.num_bits()) && e.num_bits() > 1 && e.num_bits() <= 64 && e.is_bit_set(0);
    let key = if is_sound { Rsa::from_public_components(n, e).ok()? } else { return None };
    PKey::from_rsa(key).ok()
}

// A point that is not on the curve is refused by the library.
fn p256(x: &BigNum, y: &BigNum) -> Option<PKey<Public>> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).ok()?;
    let key = EcKey::from_public_key_affine_coordinates(&group, x, y).ok()?;
    key.check_key().ok()?;
    PKey::from_ec_key(key).ok()
}
