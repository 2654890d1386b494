//! Push to apps of Apple's devices through the Apple Push Notification service: one request of HTTP/2 for each message, with a token
//! that a key of the team signs.
//!
//! APNs reports no delivery: a message that it takes has not arrived yet. Plans use `hedge_after` for that.

mod provider_token;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::answer::common_outcome;
use super::http::{Body, HttpChannel, HttpRequest, check_url, max_in_flight, seconds_since_1970_in, seconds_valid};
use super::{
    Adapter, Capabilities, Common, Error, HttpProvider, KindSettings, Provider, ProviderEndpoint, Repeat, SendResult,
    push_content,
};
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::secret::Credential;
use provider_token::ProviderToken;

/// The longest time that a message waits for a device, in seconds: 30 days.
const TTL_MAX: u64 = 30 * 24 * 3600;

/// The longest device token, in hexadecimal digits. Those of today have 64; Apple says that the length may change.
const DEVICE_TOKEN_MAX: usize = 200;

/// The keys of kind `apns`. A repeated request is a second message, which replaces the first one on the device: both have the same
/// `apns-collapse-id`. Where that is enough, `deduplicates` may be true.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The key with the service APNs, as Apple made it: a file of kind `.p8`. All apps of a team should use the same one, because
    /// APNs limits how often a team changes its token.
    pub private_key: Credential,
    /// Its id, ten characters.
    pub key_id: String,
    /// The id of the team, ten characters.
    pub team: String,
    /// The app's bundle id.
    pub topic: String,
    /// Where device tokens are from: a token of one environment is unknown in the other.
    #[serde(default)]
    pub environment: ApnsEnvironment,
    /// The address of the API in place of the environment's: port 2197, or a proxy of the operator's own.
    #[serde(default)]
    pub url: Option<String>,
    /// Whether a code may be shown on a locked screen. Otherwise the alert has the title only, and the app reads the text from
    /// `body` next to it.
    #[serde(default)]
    pub show_code_on_lock_screen: bool,
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
}

/// An environment of APNs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApnsEnvironment {
    /// Apps from the App Store and TestFlight.
    #[default]
    Production,
    /// Apps that are run from Xcode.
    Sandbox,
}

impl Settings {
    fn url(&self) -> &str {
        self.url.as_deref().unwrap_or(match self.environment {
            ApnsEnvironment::Production => "https://api.push.apple.com",
            ApnsEnvironment::Sandbox => "https://api.sandbox.push.apple.com",
        })
    }
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        let notifications = Arc::new(Notifications::new(self, common)?);
        let token = Arc::clone(&notifications.token);
        let channel = HttpChannel::new(common, self.max_in_flight, Arc::clone(&notifications))?;
        Ok(Adapter { provider: Arc::new(Apns { token, channel }), receipts: None, requests: Some(notifications) })
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        ProviderEndpoint::of_url(self.url())
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "`apns-expiration`, to 30 days",
            repeat: Repeat::AsConfigured("a second message, which replaces the first on the device"),
            receipts: "none: `hedge_after` goes on without one",
            tested_against: "HTTP/2 of Node.js, whose answers a client of npm reads; `joserfc` of Python for the token",
        }
    }
}

struct Apns {
    token: Arc<ProviderToken>,
    channel: HttpChannel<Notifications>,
}

#[async_trait]
impl Provider for Apns {
    async fn send(&self, message: &OutboundMessage) -> SendResult {
        if !is_device_token(message.to.expose()) {
            let outcome = Outcome::failed(Cause::InvalidContact);
            return SendResult::new(outcome, "the contact is no device token: expected hexadecimal digits");
        }
        let result = self.channel.send(message).await;
        if result.outcome.cause() == Some(Cause::Unauthorized) {
            self.token.replace();
        }
        result
    }
}

fn is_device_token(text: &str) -> bool {
    (1..=DEVICE_TOKEN_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

struct Notifications {
    url: Url,
    topic: HeaderValue,
    shows_code: bool,
    token: Arc<ProviderToken>,
}

impl Notifications {
    fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let name = common.name();
        let Settings { private_key, key_id, team, topic, show_code_on_lock_screen, .. } = settings;
        for (key, id) in [("key_id", key_id), ("team", team)] {
            if id.len() != 10 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Err(Error::new(name, format!("{key}: expected ten letters and digits")));
            }
        }
        let is_bundle = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
        let topic = HeaderValue::try_from(topic)
            .ok()
            .filter(|it| !it.is_empty() && it.as_bytes().iter().all(|b| is_bundle(*b)));
        let topic = topic.ok_or_else(|| Error::new(name, "topic: expected a bundle id such as com.bank.app"))?;
        let token = ProviderToken::shared(team, key_id, private_key);
        let token = token.ok_or_else(|| Error::new(name, "private_key: expected a key of APNs, a .p8 file in PEM"))?;
        Ok(Self { url: check_url(name, settings.url())?, topic, shows_code: *show_code_on_lock_screen, token })
    }
}

impl HttpProvider for Notifications {
    fn request(&self, message: &OutboundMessage) -> Result<HttpRequest, SendResult> {
        let alert = push_content::shown(message, self.shows_code);
        let mut content = push_content::data(message);
        // The app may complete what is shown.
        content["aps"] = json!({ "alert": alert, "sound": "default", "mutable-content": 1 });
        let expiration = seconds_since_1970_in(seconds_valid(message).min(TTL_MAX));
        let delivery = HeaderValue::try_from(message.delivery.to_string()).ok();
        let headers = [
            ("apns-topic", Some(self.topic.clone())),
            ("apns-push-type", Some(HeaderValue::from_static("alert"))),
            ("apns-priority", Some(HeaderValue::from_static("10"))),
            ("apns-expiration", Some(HeaderValue::from(expiration))),
            ("apns-id", delivery.clone()),
            ("apns-collapse-id", delivery),
        ];
        let named = headers.into_iter().filter_map(|(name, value)| Some((HeaderName::from_static(name), value?)));
        let mut url = self.url.clone();
        url.set_path(&format!("/3/device/{}", message.to.expose()));
        Ok(HttpRequest {
            method: Method::POST,
            url,
            headers: named.chain(self.token.header()).collect(),
            body: Body::Json(content),
        })
    }

    fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome {
        if status == StatusCode::OK {
            return Outcome::accepted(None);
        }
        match reason(body).as_deref().and_then(cause) {
            Some(cause) => Outcome::failed(cause),
            None if status.is_success() => Outcome::unknown(Cause::Unclassified),
            None => common_outcome(status),
        }
    }

    fn error_code(&self, body: &[u8]) -> Option<String> {
        reason(body)
    }
}

fn reason(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<Value>(body).ok()?["reason"].as_str().map(str::to_owned)
}

/// The reasons that Apple documents ("Handling notification responses from APNs").
fn cause(reason: &str) -> Option<Cause> {
    Some(match reason {
        // The app was removed, or has registered anew.
        "Unregistered" | "ExpiredToken" => Cause::ContactGone,
        // Also what APNs says of a token of the other environment or of another app, so it is not retired.
        "BadDeviceToken" | "DeviceTokenNotForTopic" | "MissingDeviceToken" => Cause::InvalidContact,
        "PayloadTooLarge" | "PayloadEmpty" => Cause::BadMessage,
        "BadTopic" | "MissingTopic" | "TopicDisallowed" => Cause::Account,
        "BadCertificate"
        | "BadCertificateEnvironment"
        | "BadEnvironmentKeyIdInToken"
        | "ExpiredProviderToken"
        | "Forbidden"
        | "InvalidProviderToken"
        | "MissingProviderToken"
        | "UnrelatedKeyIdInToken" => Cause::Unauthorized,
        "TooManyProviderTokenUpdates" | "TooManyRequests" => Cause::Throttled,
        "BadPath" | "MethodNotAllowed" => Cause::WrongUrl,
        "IdleTimeout" | "InternalServerError" | "ServiceUnavailable" | "Shutdown" => Cause::ProviderDown,
        // A header that this file writes is wrong.
        "BadCollapseId" | "BadExpirationDate" | "BadMessageId" | "BadPriority" | "DuplicateHeaders"
        | "InvalidPushType" => Cause::Unclassified,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
