//! Push through Firebase Cloud Messaging, HTTP v1: the account's key signs a request for a token, which authorizes messages for an
//! hour.
//!
//! FCM reports no delivery: a message that it takes has not arrived yet. Plans use `hedge_after` for that.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access_token::{AccessTokens, ServiceAccount};
use super::http::answer::{common_outcome, reference_at};
use super::http::{Body, HttpChannel, HttpRequest, max_in_flight};
use super::http::{check_url, seconds_since_1970_in, seconds_valid};
use super::{
    Adapter, Capabilities, Common, Error, HttpProvider, KindSettings, Provider, ProviderEndpoint, Repeat, SendResult,
    push_content,
};
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::secret::Credential;

/// The longest time to live of a message, in seconds: 28 days.
const TTL_MAX: u64 = 28 * 24 * 3600;

/// What a token is for.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// The keys of kind `fcm`. FCM has no field that makes a repeated request one message, so `deduplicates` stays false.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The key file of a service account with the role "Firebase Cloud Messaging API Admin", as Google made it: JSON.
    pub service_account: Credential,
    /// The address of the API.
    #[serde(default = "api")]
    pub url: String,
    /// What contacts are: registration tokens, or Firebase installation ids.
    #[serde(default)]
    pub address: Address,
    /// Whether a code may be shown on a locked screen. Otherwise the notification has the title only, and the app reads the
    /// text from the message's data.
    #[serde(default)]
    pub show_code_on_lock_screen: bool,
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
}

/// What a contact is to FCM.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// A registration token, which Google calls deprecated and goes on to take.
    #[default]
    Token,
    /// A Firebase installation id.
    Fid,
}

fn api() -> String {
    "https://fcm.googleapis.com".to_owned()
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        let account = ServiceAccount::parse(common.name(), &self.service_account)?;
        let mut url = check_url(common.name(), &self.url)?;
        url.set_path(&format!("/v1/projects/{}/messages:send", account.project_id));
        let tokens = Arc::new(AccessTokens::of_account(common, account, SCOPE)?);
        let messages = Arc::new(Messages { url, settings: self.clone(), tokens: Arc::clone(&tokens) });
        let channel = HttpChannel::new(common, self.max_in_flight, Arc::clone(&messages))?;
        Ok(Adapter { provider: Arc::new(Fcm { tokens, channel }), receipts: None, requests: Some(messages) })
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        ProviderEndpoint::of_url(&self.url)
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "`android.ttl`, `apns-expiration`, to 28 days",
            repeat: Repeat::Never("a second message"),
            receipts: "none: `hedge_after` goes on without one",
            tested_against: "Google's description of the API",
        }
    }
}

struct Fcm {
    tokens: Arc<AccessTokens>,
    channel: HttpChannel<Messages>,
}

#[async_trait]
impl Provider for Fcm {
    async fn send(&self, message: &OutboundMessage) -> SendResult {
        if let Err(failure) = self.tokens.renew(message.valid_for).await {
            return failure;
        }
        let result = self.channel.send(message).await;
        if result.outcome.cause() == Some(Cause::Unauthorized) {
            self.tokens.forget();
        }
        result
    }
}

struct Messages {
    url: Url,
    settings: Settings,
    tokens: Arc<AccessTokens>,
}

impl HttpProvider for Messages {
    fn request(&self, message: &OutboundMessage) -> Result<HttpRequest, SendResult> {
        let (to, ttl) = (message.to.expose(), seconds_valid(message).min(TTL_MAX));
        let shows_code = self.settings.show_code_on_lock_screen;
        let hides = push_content::hides_body(message, shows_code);
        let address = match self.settings.address {
            Address::Token => "token",
            Address::Fid => "fid",
        };
        let mut content = json!({
            "notification": push_content::shown(message, shows_code),
            "data": push_content::data(message),
            "android": {
                "priority": "HIGH",
                "ttl": format!("{ttl}s"),
                // On a locked screen only, and on no other device that shows notifications of this one.
                "notification": { "visibility": if hides { "PRIVATE" } else { "PUBLIC" }, "proxy": "DENY" },
            },
            "apns": {
                "headers": { "apns-priority": "10", "apns-push-type": "alert", "apns-expiration": seconds_since_1970_in(ttl).to_string() },
                // The app may complete what is shown.
                "payload": { "aps": { "mutable-content": 1, "sound": "default" } },
            },
        });
        content[address] = to.into();
        let headers = HeaderMap::from_iter(self.tokens.header());
        Ok(HttpRequest {
            method: Method::POST,
            url: self.url.clone(),
            headers,
            body: Body::Json(json!({ "message": content })),
        })
    }

    fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        if status.is_success() {
            return match reference_at(&answer, "/name") {
                None => Outcome::unknown(Cause::Unclassified),
                reference => Outcome::accepted(reference),
            };
        }
        match (status.as_u16(), error_of(&answer)) {
            // The app is gone from this device, or has got another token.
            (_, Some("UNREGISTERED")) => Outcome::failed(Cause::ContactGone),
            // The token is another project's.
            (_, Some("SENDER_ID_MISMATCH")) => Outcome::failed(Cause::InvalidContact),
            (_, Some("INVALID_ARGUMENT")) if names_token(&answer) => Outcome::failed(Cause::InvalidContact),
            (_, Some("INVALID_ARGUMENT")) => Outcome::failed(Cause::BadMessage),
            (_, Some("QUOTA_EXCEEDED")) => Outcome::failed(Cause::Throttled),
            (_, Some("THIRD_PARTY_AUTH_ERROR")) => Outcome::failed(Cause::Account),
            (_, Some("UNAVAILABLE" | "INTERNAL")) => Outcome::failed(Cause::ProviderDown),
            _ => common_outcome(status),
        }
    }

    fn error_code(&self, body: &[u8]) -> Option<String> {
        error_of(&serde_json::from_slice(body).ok()?).map(str::to_owned)
    }
}

/// FCM's own code of an error, or else the one that all APIs of Google have.
fn error_of(answer: &Value) -> Option<&str> {
    let details = answer.pointer("/error/details").and_then(Value::as_array);
    let own = details.into_iter().flatten().find_map(|detail| detail["errorCode"].as_str());
    own.or_else(|| answer.pointer("/error/status")?.as_str())
}

/// Whether an error is about the address: FCM answers a malformed token like any other field.
fn names_token(answer: &Value) -> bool {
    let details = answer.pointer("/error/details").and_then(Value::as_array);
    let violations = details.into_iter().flatten().filter_map(|detail| detail["fieldViolations"].as_array()).flatten();
    let fields: Vec<_> = violations.filter_map(|violation| violation["field"].as_str()).collect();
    !fields.is_empty() && fields.iter().all(|field| matches!(*field, "message.token" | "message.fid"))
}

#[cfg(test)]
mod tests;
