//! What an authenticator says to a site (Web Authentication, level 2), and whether it is for this site and signed.
//!
//! Pure. No attestation is asked for: which make of authenticator a user has does not matter here. So the public key of a new
//! passkey is taken as the browser reads it out (5.2.1.1), from a user who has just proved who they are.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::sha::sha256;
use openssl::sign::Verifier;
use reqwest::Url;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::store::users::PasskeyRow;

/// The longest id of a passkey, in bytes (4, credential ID).
const ID_MAX: usize = 1023;

/// Bits of the flags in what an authenticator says (6.1).
const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const NEW_KEY: u8 = 1 << 6;

/// Sizes of RSA keys, in bits.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

/// Why what an authenticator says does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPasskey {
    #[error("the browser sent something that cannot be read")]
    Malformed,
    #[error("it is for another site; console.public_url must be the address in the browser")]
    Site,
    #[error("it is for something else, or was used before, or is too old; load the page again")]
    Challenge,
    #[error("the authenticator did not verify the user by PIN, fingerprint or face")]
    NotVerified,
    #[error("its kind of key is not supported: expected ES256 or RS256")]
    Key,
    #[error("the signature is wrong")]
    Signature,
    #[error("the authenticator's counter went back: there may be a copy of it")]
    Counter,
}

/// The site that passkeys belong to.
pub(super) struct PasskeySite {
    origin: String,
    pub(super) id: String,
}

/// What a browser sends of a new passkey.
#[derive(Deserialize)]
pub(super) struct CreatedPasskey {
    client: Encoded,
    authenticator: Encoded,
    key: Encoded,
}

/// What a browser sends of a passkey that was used.
#[derive(Deserialize)]
pub(super) struct UsedPasskey {
    pub(super) id: String,
    client: Encoded,
    authenticator: Encoded,
    signature: Encoded,
}

/// Bytes, in base64url.
struct Encoded(Vec<u8>);

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        URL_SAFE_NO_PAD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// A passkey that was just made, and the challenge that it answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NewPasskey {
    pub(super) id: String,
    pub(super) public_key: String,
    pub(super) counter: u32,
    pub(super) challenge: String,
}

/// What was proved: the challenge that was answered, and how often the authenticator has signed.
pub(super) struct ProvedChallenge {
    pub(super) challenge: String,
    pub(super) counter: u32,
}

impl PasskeySite {
    /// The site at an address; `None` if the address has no name, which passkeys need.
    pub(super) fn of(public_url: &str) -> Option<Self> {
        let url = Url::parse(public_url).ok()?;
        Some(Self { origin: url.origin().ascii_serialization(), id: url.domain()?.to_owned() })
    }

    /// A passkey that was just made.
    pub(super) fn created(&self, answer: &CreatedPasskey) -> Result<NewPasskey, InvalidPasskey> {
        let challenge = self.challenge_of(&answer.client.0, "webauthn.create")?;
        let (flags, counter, rest) = self.read(&answer.authenticator.0)?;
        if flags & NEW_KEY == 0 {
            return Err(InvalidPasskey::Malformed);
        }
        // 6.5.1: the model, the length of the id, the id, the key.
        let id = rest
            .get(16..18)
            .zip(rest.get(18..))
            .and_then(|(length, rest)| rest.get(..usize::from(u16::from_be_bytes([length[0], length[1]]))));
        let id = id.filter(|id| (1..=ID_MAX).contains(&id.len())).ok_or(InvalidPasskey::Malformed)?;
        key(&answer.key.0)?;
        let (id, public_key) = (URL_SAFE_NO_PAD.encode(id), URL_SAFE_NO_PAD.encode(&answer.key.0));
        Ok(NewPasskey { id, public_key, counter, challenge })
    }

    /// What was proved with a passkey that is known.
    pub(super) fn proved(&self, answer: &UsedPasskey, known: &PasskeyRow) -> Result<ProvedChallenge, InvalidPasskey> {
        let challenge = self.challenge_of(&answer.client.0, "webauthn.get")?;
        let (_, counter, _) = self.read(&answer.authenticator.0)?;
        let stored = URL_SAFE_NO_PAD.decode(&known.public_key).map_err(|_| InvalidPasskey::Key)?;
        let signed = [&answer.authenticator.0[..], &sha256(&answer.client.0)].concat();
        let key = key(&stored)?;
        let mut verifier = Verifier::new(MessageDigest::sha256(), &key).map_err(|_| InvalidPasskey::Key)?;
        if !verifier.verify_oneshot(&answer.signature.0, &signed).unwrap_or(false) {
            return Err(InvalidPasskey::Signature);
        }
        // Passkeys that are kept in step between devices have no counter, and say 0.
        if (counter, known.counter) != (0, 0) && counter <= known.counter {
            return Err(InvalidPasskey::Counter);
        }
        Ok(ProvedChallenge { challenge, counter })
    }

    fn challenge_of(&self, client: &[u8], kind: &str) -> Result<String, InvalidPasskey> {
        let client: Value = serde_json::from_slice(client).map_err(|_| InvalidPasskey::Malformed)?;
        let text = |name| client.get(name).and_then(Value::as_str).ok_or(InvalidPasskey::Malformed);
        if text("type")? != kind {
            return Err(InvalidPasskey::Challenge);
        }
        if text("origin")? != self.origin || client.get("crossOrigin").is_some_and(|it| *it != Value::Bool(false)) {
            return Err(InvalidPasskey::Site);
        }
        text("challenge").map(str::to_owned)
    }

    // The flags, the counter, and what follows them.
    fn read<'a>(&self, said: &'a [u8]) -> Result<(u8, u32, &'a [u8]), InvalidPasskey> {
        let (site, rest) = said.split_at_checked(32).ok_or(InvalidPasskey::Malformed)?;
        let (head, rest) = rest.split_at_checked(5).ok_or(InvalidPasskey::Malformed)?;
        if site != sha256(self.id.as_bytes()) {
            return Err(InvalidPasskey::Site);
        }
        if head[0] & USER_PRESENT == 0 || head[0] & USER_VERIFIED == 0 {
            return Err(InvalidPasskey::NotVerified);
        }
        Ok((head[0], u32::from_be_bytes([head[1], head[2], head[3], head[4]]), rest))
    }
}

// The two kinds of keys that authenticators have: P-256, and RSA in those of Windows.
fn key(der: &[u8]) -> Result<PKey<Public>, InvalidPasskey> {
    let key = PKey::public_key_from_der(der).map_err(|_| InvalidPasskey::Key)?;
    let is_p256 = |key: &PKey<Public>| {
        key.ec_key().is_ok_and(|it| it.group().curve_name() == Some(Nid::X9_62_PRIME256V1) && it.check_key().is_ok())
    };
    match key.id() {
        Id::EC if is_p256(&key) => Ok(key),
        Id::RSA if RSA_BITS.contains(&key.bits()) => Ok(key),
        _ => Err(InvalidPasskey::Key),
    }
}

#[cfg(test)]
mod tests {
    use openssl::ec::{EcGroup, EcKey};
    use openssl::pkey::Private;
    use openssl::sign::Signer;
    use serde_json::json;

    use super::*;
    use crate::domain::clock::Timestamp;

    const VERIFIED: u8 = USER_PRESENT | USER_VERIFIED;

    /// An authenticator with one passkey.
    struct Authenticator(PKey<Private>);

    impl Authenticator {
        fn new() -> Self {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
            Self(PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap())
        }

        fn create(&self, client: &Value, said: &[u8]) -> Value {
            let key = self.0.public_key_to_der().unwrap();
            let id = [&[0; 16][..], &[0, 3], b"id1", b"cbor"].concat();
            json!({ "client": text(client), "authenticator": encoded(&[said, &id].concat()), "key": encoded(&key) })
        }

        fn sign(&self, client: &Value, said: &[u8]) -> Value {
            let signed = [said, &sha256(client.to_string().as_bytes())].concat();
            let signature =
                Signer::new(MessageDigest::sha256(), &self.0).unwrap().sign_oneshot_to_vec(&signed).unwrap();
            json!({
                "id": "aWQx", "client": text(client), "authenticator": encoded(said), "signature": encoded(&signature),
            })
        }

        fn known(&self, counter: u32) -> PasskeyRow {
            PasskeyRow {
                id: "aWQx".to_owned(),
                public_key: encoded(&self.0.public_key_to_der().unwrap()),
                counter,
                name: "phone".to_owned(),
                created_at: Timestamp::default(),
                used_at: None,
            }
        }
    }

    fn encoded(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn text(value: &Value) -> String {
        encoded(value.to_string().as_bytes())
    }

    fn client(kind: &str) -> Value {
        json!({ "type": kind, "challenge": "c-1", "origin": "https://otpost.bank.example", "crossOrigin": false })
    }

    fn said(site: &str, flags: u8, counter: u32) -> Vec<u8> {
        [&sha256(site.as_bytes())[..], &[flags], &counter.to_be_bytes()].concat()
    }

    fn site() -> PasskeySite {
        PasskeySite::of("https://otpost.bank.example/").unwrap()
    }

    fn created(answer: Value) -> Result<NewPasskey, InvalidPasskey> {
        site().created(&serde_json::from_value(answer).unwrap())
    }

    fn proved(answer: Value, known: &PasskeyRow) -> Result<u32, InvalidPasskey> {
        let proved = site().proved(&serde_json::from_value(answer).unwrap(), known)?;
        assert_eq!(proved.challenge, "c-1");
        Ok(proved.counter)
    }

    #[test]
    fn a_passkey_is_created_and_used() {
        let authenticator = Authenticator::new();
        let made = said("otpost.bank.example", VERIFIED | NEW_KEY, 0);
        let NewPasskey { id, public_key, counter, challenge } =
            created(authenticator.create(&client("webauthn.create"), &made)).unwrap();

        let known = authenticator.known(0);
        assert_eq!((&id, &public_key, counter, &*challenge), (&known.id, &known.public_key, 0, "c-1"));
        let used = authenticator.sign(&client("webauthn.get"), &said("otpost.bank.example", VERIFIED, 7));
        assert_eq!(proved(used, &known), Ok(7));
    }

    #[test]
    fn what_is_for_another_site_or_something_else_is_rejected() {
        let (authenticator, made) = (Authenticator::new(), said("otpost.bank.example", VERIFIED, 0));
        let with = |name: &str, value: Value| {
            let mut client = client("webauthn.get");
            client[name] = value;
            proved(authenticator.sign(&client, &made), &authenticator.known(0))
        };
        for origin in [
            "https://otpost.bank.example.evil.example",
            "http://otpost.bank.example",
            "https://otpost.bank.example:8443",
        ] {
            assert_eq!(with("origin", json!(origin)), Err(InvalidPasskey::Site), "{origin}");
        }
        assert_eq!(with("crossOrigin", json!(true)), Err(InvalidPasskey::Site));
        assert_eq!(with("type", json!("webauthn.create")), Err(InvalidPasskey::Challenge));
        assert_eq!(with("challenge", Value::Null), Err(InvalidPasskey::Malformed));
        let other = authenticator.sign(&client("webauthn.get"), &said("evil.example", VERIFIED, 0));
        assert_eq!(proved(other, &authenticator.known(0)), Err(InvalidPasskey::Site));
    }

    #[test]
    fn the_authenticator_must_verify_the_user_and_sign_with_its_own_key() {
        let (authenticator, other) = (Authenticator::new(), Authenticator::new());
        for flags in [0, USER_PRESENT, USER_VERIFIED] {
            let used = authenticator.sign(&client("webauthn.get"), &said("otpost.bank.example", flags, 0));
            assert_eq!(proved(used, &authenticator.known(0)), Err(InvalidPasskey::NotVerified));
        }
        let used = authenticator.sign(&client("webauthn.get"), &said("otpost.bank.example", VERIFIED, 0));
        assert_eq!(proved(used.clone(), &other.known(0)), Err(InvalidPasskey::Signature));
        let mut changed = used;
        changed["authenticator"] = json!(encoded(&said("otpost.bank.example", VERIFIED, 9)));
        assert_eq!(proved(changed, &authenticator.known(0)), Err(InvalidPasskey::Signature));
    }

    #[test]
    fn a_counter_that_does_not_grow_is_a_copy_unless_there_is_none() {
        let authenticator = Authenticator::new();
        let used = |counter, known| {
            let said = said("otpost.bank.example", VERIFIED, counter);
            proved(authenticator.sign(&client("webauthn.get"), &said), &authenticator.known(known))
        };
        assert_eq!((used(0, 0), used(8, 7)), (Ok(0), Ok(8)));
        assert_eq!([used(7, 7), used(6, 7), used(0, 7)], [const { Err(InvalidPasskey::Counter) }; 3]);
    }

    #[test]
    fn keys_of_other_kinds_and_broken_answers_are_rejected() {
        let authenticator = Authenticator::new();
        let made = said("otpost.bank.example", VERIFIED | NEW_KEY, 0);
        let whole = authenticator.create(&client("webauthn.create"), &made);
        let ed25519 = PKey::generate_ed25519().unwrap().public_key_to_der().unwrap();
        let short = PKey::from_rsa(openssl::rsa::Rsa::generate(1024).unwrap()).unwrap().public_key_to_der().unwrap();
        for key in [&ed25519[..], &short[..], b""] {
            let mut answer = whole.clone();
            answer["key"] = json!(encoded(key));
            assert_eq!(created(answer), Err(InvalidPasskey::Key));
        }
        let without = said("otpost.bank.example", VERIFIED, 0);
        assert_eq!(created(authenticator.create(&client("webauthn.create"), &without)), Err(InvalidPasskey::Malformed));
        for length in [0, 31, 36, 37, 54, 57] {
            let mut answer = whole.clone();
            let bytes = URL_SAFE_NO_PAD.decode(whole["authenticator"].as_str().unwrap()).unwrap();
            answer["authenticator"] = json!(encoded(&bytes[..length]));
            assert_eq!(created(answer), Err(InvalidPasskey::Malformed), "{length}");
        }
        assert!(serde_json::from_value::<UsedPasskey>(json!({ "id": "a", "client": "é" })).is_err());
    }

    #[test]
    fn a_site_has_a_name() {
        assert!(PasskeySite::of("https://10.0.0.5:8470").is_none() && PasskeySite::of("").is_none());
        assert_eq!(PasskeySite::of("http://console.localhost:8470").unwrap().origin, "http://console.localhost:8470");
    }
}
