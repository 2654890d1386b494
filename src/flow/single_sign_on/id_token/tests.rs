//! Tokens that an identity provider could have made, and those that others could.

use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer};
use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const SECONDS: i64 = 1_800_000_000;
const PARTIES: TokenParties<'_> = TokenParties { issuer: "https://id.bank.example", client_id: "otpost" };

/// A key of the identity provider, and its public half as the identity provider publishes it.
struct IssuerKey {
    key: PKey<Private>,
    published: Value,
}

impl IssuerKey {
    fn rsa(bits: u32) -> Self {
        let rsa = Rsa::generate(bits).unwrap();
        let number = |number: &openssl::bn::BigNumRef| URL_SAFE_NO_PAD.encode(number.to_vec());
        let published = json!({ "kty": "RSA", "kid": "one", "n": number(rsa.n()), "e": number(rsa.e()) });
        Self { key: PKey::from_rsa(rsa).unwrap(), published }
    }

    fn p256() -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = EcKey::generate(&group).unwrap();
        let (mut x, mut y) = (openssl::bn::BigNum::new().unwrap(), openssl::bn::BigNum::new().unwrap());
        let mut context = openssl::bn::BigNumContext::new().unwrap();
        key.public_key().affine_coordinates(&group, &mut x, &mut y, &mut context).unwrap();
        let number = |number: &openssl::bn::BigNum| URL_SAFE_NO_PAD.encode(number.to_vec_padded(32).unwrap());
        let published = json!({ "kty": "EC", "crv": "P-256", "kid": "one", "x": number(&x), "y": number(&y) });
        Self { key: PKey::from_ec_key(key).unwrap(), published }
    }

    fn verification_keys(&self) -> Vec<VerificationKey> {
        VerificationKey::read_set(&json!({ "keys": [self.published] }))
    }

    fn signature(&self, algorithm: &str, signed: &[u8]) -> Vec<u8> {
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key).unwrap();
        if algorithm == "PS256" {
            signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            signer.set_rsa_mgf1_md(MessageDigest::sha256()).unwrap();
            signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
        }
        let signature = signer.sign_oneshot_to_vec(signed).unwrap();
        if algorithm != "ES256" {
            return signature;
        }
        let pair = EcdsaSig::from_der(&signature).unwrap();
        [pair.r().to_vec_padded(32).unwrap(), pair.s().to_vec_padded(32).unwrap()].concat()
    }

    fn sign(&self, head: &Value, claims: &Value) -> String {
        let signed = unsigned(head, claims);
        let signature = self.signature(head["alg"].as_str().unwrap(), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The subject that a token of this key names, or why it says nothing.
    fn read(&self, token: &str) -> Result<String, InvalidToken> {
        let token = SignedToken::parse(token)?;
        let keys = self.verification_keys();
        let key = VerificationKey::find(&keys, token.algorithm, token.key_id.as_deref());
        let claims = token.verify(key.ok_or(InvalidToken::UnknownKey)?, &PARTIES, NOW)?;
        subject_of(&claims, "n-1").map(str::to_owned)
    }

    fn read_claims(&self, claims: &Value) -> Result<String, InvalidToken> {
        self.read(&self.sign(&head("RS256"), claims))
    }
}

fn unsigned(head: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(head), part(claims))
}

fn head(algorithm: &str) -> Value {
    json!({ "alg": algorithm, "kid": "one", "typ": "JWT" })
}

fn claims() -> Value {
    json!({
        "iss": "https://id.bank.example", "aud": "otpost", "sub": "user-1", "nonce": "n-1", "exp": SECONDS + 300, "iat": SECONDS,
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

#[test]
fn a_token_is_accepted_with_each_of_the_three_algorithms() {
    let (rsa, p256) = (IssuerKey::rsa(2048), IssuerKey::p256());
    for (key, algorithm) in [(&rsa, "RS256"), (&rsa, "PS256"), (&p256, "ES256")] {
        let token = key.sign(&head(algorithm), &claims());
        assert_eq!(key.read(&token), Ok("user-1".to_owned()), "{algorithm}");
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let shorter = URL_SAFE_NO_PAD.encode(&bytes[..bytes.len() - 1]);
        for broken in [format!("{signed}."), format!("{signed}.{shorter}")] {
            assert_eq!(key.read(&broken), Err(InvalidToken::Signature), "{algorithm}");
        }
        let (head, _) = token.split_once('.').unwrap();
        let other = unsigned(&Value::Null, &with("sub", json!("admin")));
        let forged = format!("{head}.{}.{signature}", other.split_once('.').unwrap().1);
        assert_eq!(key.read(&forged), Err(InvalidToken::Signature), "{algorithm}");
    }
}

#[test]
fn a_token_without_a_signature_or_with_the_public_key_as_a_secret_is_rejected() {
    let key = IssuerKey::rsa(2048);
    for name in ["none", "None", "", "HS256", "RS384", "ES384"] {
        let token = format!("{}.", unsigned(&head(name), &claims()));
        assert_eq!(key.read(&token), Err(InvalidToken::Algorithm(name.to_owned())));
    }
    let signed = unsigned(&head("HS256"), &claims());
    let secret = PKey::hmac(&key.key.public_key_to_pem().unwrap()).unwrap();
    let mac = Signer::new(MessageDigest::sha256(), &secret).unwrap().sign_oneshot_to_vec(signed.as_bytes()).unwrap();
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac));
    assert_eq!(key.read(&token), Err(InvalidToken::Algorithm("HS256".to_owned())));
}

#[test]
fn a_token_of_another_key_is_rejected() {
    let (key, other, p256) = (IssuerKey::rsa(2048), IssuerKey::rsa(2048), IssuerKey::p256());
    assert_eq!(key.read(&other.sign(&head("RS256"), &claims())), Err(InvalidToken::Signature));
    // The algorithm decides which keys are tried, and not the other way round.
    assert_eq!(key.read(&p256.sign(&head("ES256"), &claims())), Err(InvalidToken::UnknownKey));
    let mut named = head("RS256");
    named["kid"] = json!("two");
    assert_eq!(key.read(&key.sign(&named, &claims())), Err(InvalidToken::UnknownKey));
    named["crit"] = json!(["b64"]);
    assert_eq!(key.read(&key.sign(&named, &claims())), Err(InvalidToken::Critical));
}

#[test]
fn a_token_of_another_issuer_or_for_another_client_is_rejected() {
    let key = IssuerKey::rsa(2048);
    let issuer = "https://id.bank.example.evil.example";
    assert_eq!(key.read_claims(&with("iss", json!(issuer))), Err(InvalidToken::Issuer(issuer.to_owned())));
    for audience in [json!("other"), json!(["other"]), json!(["otpost", "other"]), json!([]), json!({ "otpost": 1 })] {
        assert_eq!(key.read_claims(&with("aud", audience.clone())), Err(InvalidToken::Audience), "{audience}");
    }
    for (party, expected) in [("otpost", Ok("user-1".to_owned())), ("other", Err(InvalidToken::Audience))] {
        let mut claims = with("aud", json!(["otpost", "other"]));
        claims["azp"] = json!(party);
        assert_eq!(key.read_claims(&claims), expected);
    }
    assert_eq!(key.read_claims(&with("azp", json!("other"))), Err(InvalidToken::Audience));
}

#[test]
fn a_token_is_for_now() {
    let key = IssuerKey::rsa(2048);
    let at = |name, seconds: i64| key.read_claims(&with(name, json!(SECONDS + seconds)));
    assert!(at("exp", -59).is_ok() && at("iat", 60).is_ok() && at("nbf", 60).is_ok() && at("iat", -600).is_ok());
    assert_eq!(at("exp", -60), Err(InvalidToken::Expired));
    for (name, seconds) in [("iat", 61), ("nbf", 61), ("iat", -601)] {
        assert_eq!(at(name, seconds), Err(InvalidToken::IssuedAt), "{name}");
    }
    for never in [json!("soon"), json!(-1), json!(1e300), Value::Null] {
        assert_eq!(key.read_claims(&with("exp", never)), Err(InvalidToken::Missing("exp")));
    }
    assert!(key.read_claims(&with("exp", json!(1_800_000_300.5))).is_ok());
}

#[test]
fn a_token_answers_one_sign_in_and_names_a_user() {
    let key = IssuerKey::rsa(2048);
    assert_eq!(key.read_claims(&with("nonce", json!("n-2"))), Err(InvalidToken::Nonce));
    assert_eq!(key.read_claims(&with("nonce", Value::Null)), Err(InvalidToken::Missing("nonce")));
    for subject in [json!(""), json!("a\nb"), json!("x".repeat(256)), json!(7), Value::Null] {
        assert_eq!(key.read_claims(&with("sub", subject)), Err(InvalidToken::Missing("sub")));
    }
}

#[test]
fn what_is_no_token_is_rejected() {
    let key = IssuerKey::p256();
    let huge = "a".repeat(TOKEN_MAX + 1);
    for text in ["", ".", "..", "a.b.c", "e30.e30", "e30=.e30.e30", "é.é.é", &huge] {
        assert!(matches!(key.read(text), Err(InvalidToken::Malformed | InvalidToken::Algorithm(_))), "{text:.20}");
    }
}

#[test]
fn weak_and_broken_keys_are_left_out() {
    let (short, mut p256) = (IssuerKey::rsa(1024), IssuerKey::p256());
    let mut encrypts = IssuerKey::rsa(2048);
    encrypts.published["use"] = json!("enc");
    p256.published["y"] = p256.published["x"].clone();
    let keys = [short.published, p256.published, encrypts.published, json!({ "kty": "oct", "k": "AA" }), json!(7)];
    assert!(VerificationKey::read_set(&json!({ "keys": keys })).is_empty());
    assert!(VerificationKey::read_set(&json!({ "keys": "none" })).is_empty());
}

#[test]
fn a_key_for_one_algorithm_verifies_no_other() {
    let mut key = IssuerKey::rsa(2048);
    key.published["alg"] = json!("PS256");
    assert_eq!(key.read(&key.sign(&head("RS256"), &claims())), Err(InvalidToken::UnknownKey));
    assert!(key.read(&key.sign(&head("PS256"), &claims())).is_ok());
}

#[test]
fn without_the_id_of_a_key_there_must_be_one_only() {
    let (one, other) = (IssuerKey::rsa(2048), IssuerKey::rsa(2048));
    let token = one.sign(&json!({ "alg": "RS256" }), &claims());
    assert!(one.read(&token).is_ok());
    let both = VerificationKey::read_set(&json!({ "keys": [one.published, other.published] }));
    assert!(VerificationKey::find(&both, Algorithm::Rs256, None).is_none());
    assert!(VerificationKey::find(&both, Algorithm::Rs256, Some("one")).is_some());
}

#[test]
fn a_logout_token_is_no_id_token_and_the_other_way_round() {
    let event = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    let logout = json!({ "sub": "user-1", "jti": "j-1", "events": event });
    assert_eq!(subject_of_logout(&logout), Ok("user-1"));
    assert_eq!(subject_of(&logout, "n-1"), Err(InvalidToken::Missing("nonce")));
    assert_eq!(subject_of_logout(&claims()), Err(InvalidToken::NoLogout));
    for (name, value) in [("nonce", json!("n-1")), ("events", json!({})), ("jti", Value::Null)] {
        let mut other = logout.clone();
        other[name] = value;
        assert_eq!(subject_of_logout(&other), Err(InvalidToken::NoLogout), "{name}");
    }
}
