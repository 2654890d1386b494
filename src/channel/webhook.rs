//! A system of the operator's own that delivers messages by itself: one signed POST for each message (Standard Webhooks 1.0,
//! <https://www.standardwebhooks.com>).
//!
//! It serves the channel that its settings name. Contacts are what that system knows: for push, that may be its own id of a user.

mod identity;
mod signature;
pub mod status_endpoint;

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::address_guard::AddressGuard;
use super::http::answer::{AnswerCodes, AnswerRules};
use super::http::{self, Body, ConnectionOptions, HttpRequest, check_url, max_in_flight, seconds_valid};
use super::receipt::{self, ReceiptParser};
use super::{Adapter, Capabilities, Common, Error, HttpProvider, KindSettings, ProviderEndpoint, Repeat, SendResult};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::outcome::Outcome;
use crate::domain::receipt::{Callback, ReceiptBatch, ReceiptRejection};
use crate::domain::secret::Credential;
use identity::identity;
use signature::SigningSecrets;

/// The `type` of the message: a cardholder is to get it.
const TYPE: &str = "message.send";

/// The keys of kind `webhook`. `webhook-id` is the delivery's id, the same on every attempt. A system that compares it, as Standard
/// Webhooks asks receivers to do, sends one message for it: then `deduplicates` may be true.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where messages are posted, `http` or `https`.
    pub url: String,
    /// Signs the requests: `whsec_` and 24 to 64 bytes in base64.
    pub secret: Credential,
    /// A second secret that signs too, while receivers change from one to the other.
    #[serde(default)]
    pub previous_secret: Option<Credential>,
    /// Whether the URL may lead to a private address.
    #[serde(default)]
    pub allow_private: bool,
    /// The certificate for mutual TLS, in PEM, and its chain.
    #[serde(default)]
    pub client_certificate: Option<Credential>,
    /// The key of the certificate, in PEM.
    #[serde(default)]
    pub client_private_key: Option<Credential>,
    /// JSON pointer (RFC 6901) to the message id in the answer; `/id` when absent.
    #[serde(default)]
    pub reference_path: Option<String>,
    /// Whether an answer without a message id is no success; by default if `reference_path` is set and `errors.ok` is not.
    #[serde(default)]
    pub require_reference: Option<bool>,
    /// The system's own error codes, if it has any.
    #[serde(default)]
    pub errors: Option<AnswerCodes>,
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
    #[serde(default)]
    pub receipt: Option<receipt::Settings>,
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        let identity = identity(common.name(), self.client_certificate.as_ref(), self.client_private_key.as_ref())?;
        let options = ConnectionOptions { guard: AddressGuard::new(self.allow_private), identity };
        let webhook = Webhook::new(self, common)?;
        http::guarded_adapter(common, self.max_in_flight, webhook, self.receipt.is_some(), options)
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        ProviderEndpoint::of_url(&self.url)
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "`seconds_valid` and `expires_at`",
            repeat: Repeat::AsConfigured("one message, if the receiver compares `webhook-id`"),
            receipts: "as for `sms_gateway`",
            tested_against: "Python's library of Standard Webhooks",
        }
    }
}

struct Webhook {
    url: Url,
    secrets: SigningSecrets,
    answers: AnswerRules,
    receipts: Option<ReceiptParser>,
}

impl Webhook {
    fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let name = common.name();
        let Settings { secret, previous_secret, errors, reference_path, require_reference, .. } = settings;
        Ok(Self {
            url: guarded_url(name, &settings.url, settings.allow_private)?,
            secrets: SigningSecrets::new(name, secret, previous_secret.as_ref())?,
            answers: AnswerRules::new(name, errors.as_ref(), reference_path.as_deref(), *require_reference)?,
            receipts: ReceiptParser::configured(name, settings.receipt.as_ref())?,
        })
    }
}

impl HttpProvider for Webhook {
    fn request(&self, message: &OutboundMessage) -> Result<HttpRequest, SendResult> {
        let (now, valid) = (SystemClock.now(), seconds_valid(message));
        let mut data = rendered(&message.rendered);
        data["reference"] = json!(message.delivery);
        data["channel"] = message.rendered.channel().name().into();
        data["to"] = message.to.expose().into();
        data["seconds_valid"] = valid.into();
        data["expires_at"] = now.after(Duration::from_secs(valid)).to_string().into();
        let body = json!({ "type": TYPE, "timestamp": now.to_string(), "data": data });
        // JSON is written alike each time, so what is signed is what is sent.
        let signed = self.secrets.headers(&message.delivery.to_string(), now, &body.to_string());
        Ok(HttpRequest {
            method: Method::POST,
            url: self.url.clone(),
            headers: HeaderMap::from_iter(signed),
            body: Body::Json(body),
        })
    }

    fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome {
        self.answers.outcome(status, body)
    }

    fn error_code(&self, body: &[u8]) -> Option<String> {
        self.answers.code(body)
    }

    fn receipts(&self, callback: &Callback<'_>) -> Result<ReceiptBatch, ReceiptRejection> {
        receipt::parse(self.receipts.as_ref(), callback)
    }
}

/// The URL of a receiver. A private address in it is refused at once; names are checked when they are resolved.
fn guarded_url(name: &str, text: &str, allow_private: bool) -> Result<Url, Error> {
    let url = check_url(name, text)?;
    if AddressGuard::new(allow_private).allows_host(&url) {
        return Ok(url);
    }
    Err(Error::new(name, "url: is at a private address; set allow_private = true if that is intended"))
}

/// The texts of a message, named as its templates are.
fn rendered(message: &RenderedMessage) -> Value {
    match message {
        RenderedMessage::Sms { text } => json!({ "text": text.reveal() }),
        RenderedMessage::Push { title, body } => json!({ "title": title.reveal(), "body": body.reveal() }),
        RenderedMessage::Email { subject, text, html, locale } => json!({
            "subject": subject.reveal(), "text": text.reveal(), "html": html.reveal(), "locale": locale,
        }),
    }
}

#[cfg(test)]
mod tests;
