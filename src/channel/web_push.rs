//! Push to browsers and web apps (RFC 8030): each message is encrypted for one subscription, and the request is signed with the
//! gateway's key (VAPID, RFC 8292).
//!
//! The service worker of the web app decrypts the message and decides what is shown. Push services report no delivery.

mod encryption;
mod subscription;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::json;

use super::es256::Es256Key;
use super::http::address_guard::AddressGuard;
use super::http::answer::common_outcome;
use super::http::{self, Body, ConnectionOptions, HttpRequest};
use super::http::{authorization, max_in_flight, seconds_since_1970_in, seconds_valid};
use super::{
    Adapter, Capabilities, Common, Error, HttpProvider, KindSettings, ProviderEndpoint, Repeat, SendResult,
    push_content,
};
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::secret::Credential;
use subscription::Subscription;

/// How long the token of a request is valid, in seconds. RFC 8292 allows 24 hours; clocks differ.
const TOKEN_VALID: u64 = 12 * 3600;

/// The longest time to live of a message, in seconds: 28 days, which all push services take.
const TTL_MAX: u64 = 28 * 24 * 3600;

/// The push services of browsers. A subscription comes from a browser, so its endpoint is what its user says.
const SERVICES: [&str; 5] = [
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "*.push.apple.com",
    "*.notify.windows.com",
    "*.push.samsungosp.com",
];

/// The keys of kind `web_push`. A repeated request replaces a message that waits at the service, as it has the same `Topic`; one that
/// was delivered comes twice, so `deduplicates` stays false.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The VAPID key: P-256 in PEM, or its number in base64url, as tools for Web Push write it. Subscriptions are made for its public
    /// key (`applicationServerKey`) and are worth nothing with another one.
    pub private_key: Credential,
    /// Whom a push service may ask: `mailto:` and an address, or an `https:` URL.
    pub subject: String,
    /// The hosts that endpoints may have; `*.` stands for further names before the rest.
    #[serde(default = "services")]
    pub services: Vec<String>,
    /// Whether endpoints may be at private addresses, and without TLS: for a push service of the operator's own.
    #[serde(default)]
    pub allow_private: bool,
    /// Whether a code is part of what the web app shows. Otherwise it is in the message's data only.
    #[serde(default)]
    pub show_code_on_lock_screen: bool,
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
}

fn services() -> Vec<String> {
    SERVICES.map(str::to_owned).to_vec()
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        let options = ConnectionOptions { guard: AddressGuard::new(self.allow_private), identity: None };
        http::guarded_adapter(common, self.max_in_flight, SealedMessages::new(self, common)?, false, options)
    }

    // Each subscription names its own.
    fn endpoint(&self) -> Option<ProviderEndpoint> {
        None
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "`TTL`, to 28 days",
            repeat: Repeat::Never("a second message"),
            receipts: "none: `hedge_after` goes on without one",
            tested_against: "the example of RFC 8291; `http-ece` and `joserfc` of Python",
        }
    }
}

struct SealedMessages {
    key: Es256Key,
    public_key: String,
    settings: Settings,
}

impl SealedMessages {
    fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let name = common.name();
        let Settings { private_key, subject, services, .. } = settings;
        let key = Es256Key::from_pem(private_key).or_else(|| Es256Key::from_number(private_key));
        let key =
            key.ok_or_else(|| Error::new(name, "private_key: expected a key on P-256, in PEM or in base64url"))?;
        if !["mailto:", "https:"].iter().any(|scheme| subject.len() > scheme.len() && subject.starts_with(scheme)) {
            return Err(Error::new(name, "subject: expected mailto: and an address, or an https: URL"));
        }
        let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
        let is_service = |text: &String| {
            let rest = text.strip_prefix("*.").unwrap_or(text);
            !rest.is_empty() && rest.bytes().all(is_host)
        };
        if services.is_empty() || !services.iter().all(is_service) {
            return Err(Error::new(
                name,
                "services: expected host names, such as fcm.googleapis.com or *.push.apple.com",
            ));
        }
        let failed = |_| Error::new(name, "private_key: the public key cannot be computed");
        let public_key = URL_SAFE_NO_PAD.encode(key.public().map_err(failed)?);
        Ok(Self { key, public_key, settings: settings.clone() })
    }

    fn allows(&self, endpoint: &Url) -> bool {
        let Settings { services, allow_private, .. } = &self.settings;
        let Some(host) = endpoint.host_str() else { return false };
        let is_listed = |service: &String| match service.strip_prefix("*.") {
            Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
            None => host.eq_ignore_ascii_case(service),
        };
        let is_encrypted = endpoint.scheme() == "https" || *allow_private;
        is_encrypted && services.iter().any(is_listed) && AddressGuard::new(*allow_private).allows_host(endpoint)
    }

    /// What the service worker gets.
    fn text(&self, message: &OutboundMessage) -> String {
        let notification = push_content::shown(message, self.settings.show_code_on_lock_screen);
        json!({ "notification": notification, "data": push_content::data(message) }).to_string()
    }

    /// The message for the holder of a subscription; `None` if the cryptographic library fails.
    fn sealed(
        &self,
        Subscription { endpoint, receiver }: Subscription,
        message: &OutboundMessage,
    ) -> Option<HttpRequest> {
        let body = encryption::seal(&receiver, self.text(message).as_bytes()).ok()?;
        // Every push service reads a token of its own, or one could use it at another.
        let claims = json!({
            "aud": endpoint.origin().ascii_serialization(), "exp": seconds_since_1970_in(TOKEN_VALID), "sub": self.settings.subject,
        });
        let token = self.key.token(&json!({ "typ": "JWT", "alg": "ES256" }), &claims).ok()?;
        let credentials = Credential::new(format!("t={token}, k={}", self.public_key));
        let headers = HeaderMap::from_iter([
            (CONTENT_ENCODING, HeaderValue::from_static("aes128gcm")),
            (HeaderName::from_static("ttl"), HeaderValue::from(seconds_valid(message).min(TTL_MAX))),
            (HeaderName::from_static("urgency"), HeaderValue::from_static("high")),
            // At most 32 characters of base64url (RFC 8030, section 5.4): an id without its hyphens has as many.
            (HeaderName::from_static("topic"), HeaderValue::try_from(message.delivery.0.simple().to_string()).ok()?),
            authorization("web_push", "private_key", "vapid", &credentials).ok()?,
        ]);
        Some(HttpRequest { method: Method::POST, url: endpoint, headers, body: Body::Sealed(body) })
    }
}

impl HttpProvider for SealedMessages {
    fn request(&self, message: &OutboundMessage) -> Result<HttpRequest, SendResult> {
        let not_sent = |cause, detail| SendResult::new(Outcome::failed(cause), detail);
        let Some(subscription) = Subscription::parse(message.to.expose()) else {
            let detail = "the contact is no subscription: expected its JSON with endpoint, keys.p256dh and keys.auth";
            return Err(not_sent(Cause::InvalidContact, detail));
        };
        if !self.allows(&subscription.endpoint) {
            let detail = "the subscription's endpoint is at no push service that the key services lists";
            return Err(not_sent(Cause::InvalidContact, detail));
        }
        if self.text(message).len() > encryption::TEXT_MAX {
            return Err(not_sent(Cause::BadMessage, "the message is longer than 3993 bytes"));
        }
        let failed = || not_sent(Cause::NotRendered, "the message could not be encrypted");
        self.sealed(subscription, message).ok_or_else(failed)
    }

    fn outcome(&self, status: StatusCode, _: &[u8]) -> Outcome {
        match status.as_u16() {
            // 201 is that of RFC 8030; 202 means that a receipt was asked for; some services answer 200.
            200..=202 => Outcome::accepted(None),
            // The subscription has expired or was ended by its user (RFC 8030, section 7.3). The host is that of a push service, so a
            // path that it does not know is a subscription that it does not know.
            404 | 410 => Outcome::failed(Cause::ContactGone),
            203..=299 => Outcome::unknown(Cause::Unclassified),
            _ => common_outcome(status),
        }
    }

    fn error_code(&self, _: &[u8]) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests;
