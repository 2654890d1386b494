//! A subscription as a browser makes it: `JSON.stringify(subscription)`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::nid::Nid;
use openssl::pkey::Public;
use reqwest::Url;
use serde::Deserialize;

/// Where messages are posted, and who can read them.
pub(super) struct Subscription {
    pub(super) endpoint: Url,
    pub(super) receiver: Receiver,
}

/// The keys of a subscription (RFC 8291, section 2).
pub(super) struct Receiver {
    /// 65 bytes, uncompressed.
    pub(super) public: Vec<u8>,
    pub(super) key: EcKey<Public>,
    /// 16 bytes that the push service does not know.
    pub(super) auth: Vec<u8>,
}

#[derive(Deserialize)]
struct WireSubscription {
    endpoint: String,
    keys: WireKeys,
}

#[derive(Deserialize)]
struct WireKeys {
    p256dh: String,
    auth: String,
}

impl Subscription {
    /// `None` if `text` is no subscription.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let WireSubscription { endpoint, keys } = serde_json::from_str(text).ok()?;
        let endpoint =
            Url::parse(&endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
        let is_plain = endpoint.username().is_empty() && endpoint.password().is_none();
        let receiver = Receiver::new(bytes(&keys.p256dh)?, bytes(&keys.auth)?)?;
        is_plain.then_some(Self { endpoint, receiver })
    }
}

impl Receiver {
    /// `None` if `public` is no point of P-256, or `auth` has not 16 bytes.
    pub(super) fn new(public: Vec<u8>, auth: Vec<u8>) -> Option<Self> {
        let (group, mut context) = (EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).ok()?, BigNumContext::new().ok()?);
        let point = EcPoint::from_bytes(&group, &public, &mut context).ok()?;
        let key = EcKey::from_public_key(&group, &point).ok()?;
        key.check_key().ok()?;
        (public.len() == 65 && auth.len() == 16).then_some(Self { public, key, auth })
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}
