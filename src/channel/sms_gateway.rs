//! An SMS gateway that takes one HTTP POST for each message, with configurable field names.
//!
//! Gateways that take several messages in one request, or signed requests, need a file of their own.

use std::collections::BTreeMap;
use std::fmt;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::http::answer::{AnswerCodes, AnswerRules, scalar};
use super::http::{self, Body, HttpRequest, max_in_flight};
use super::http::{basic, check_headers, check_url, seconds_valid};
use super::receipt::{self, ReceiptParser};
use super::{Adapter, Capabilities, Common, Error, HttpProvider, KindSettings, ProviderEndpoint, Repeat};
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::outcome::Outcome;
use crate::domain::receipt::{Callback, ReceiptBatch, ReceiptRejection};
use crate::domain::secret::Credential;

/// The keys of kind `sms_gateway`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where messages are posted, `http` or `https`.
    pub url: String,
    /// The encoding of the request body.
    #[serde(default)]
    pub format: BodyFormat,
    /// Headers of every request, such as an API key.
    #[serde(default)]
    pub headers: BTreeMap<String, Credential>,
    /// The user of basic authentication.
    #[serde(default)]
    pub user: Option<Credential>,
    #[serde(default)]
    pub password: Option<Credential>,
    /// The sender name or number; not sent when absent.
    #[serde(default)]
    pub sender: Option<String>,
    #[serde(default)]
    pub fields: FieldNames,
    /// Fields with the same value in every request.
    #[serde(default)]
    pub static_fields: StaticFields,
    /// JSON pointer (RFC 6901) to the message id in the answer; `/id` when absent.
    #[serde(default)]
    pub reference_path: Option<String>,
    /// Whether an answer without a message id is no success; by default if `reference_path` is set and `errors.ok` is not.
    #[serde(default)]
    pub require_reference: Option<bool>,
    /// The gateway's own error codes, if it documents any.
    #[serde(default)]
    pub errors: Option<AnswerCodes>,
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
    #[serde(default)]
    pub receipt: Option<receipt::Settings>,
}

/// The encoding of a request body.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyFormat {
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// The gateway's names for our fields. A field with an empty name is not sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FieldNames {
    /// The phone number, as `+` and digits.
    pub to: String,
    pub text: String,
    /// The value is [`Settings::sender`].
    pub sender: String,
    /// The delivery's id, the same on every attempt.
    pub reference: String,
    /// The time left until the message expires, in seconds.
    pub validity: String,
}

impl Default for FieldNames {
    fn default() -> Self {
        let [to, text, sender, reference, validity] =
            ["to", "text", "from", "reference", "validity_seconds"].map(String::from);
        Self { to, text, sender, reference, validity }
    }
}

/// Constant fields. Some gateways expect their API key here, so `Debug` shows the names only.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct StaticFields(BTreeMap<String, Value>);

impl fmt::Debug for StaticFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        http::adapter(common, self.max_in_flight, SmsGateway::new(self, common)?, self.receipt.is_some())
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        ProviderEndpoint::of_url(&self.url)
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "a field in seconds",
            repeat: Repeat::AsConfigured("as the gateway has it"),
            receipts: "`[provider.receipt]`: HMAC or token in a header",
            tested_against: "practice gateway",
        }
    }
}

struct SmsGateway {
    url: Url,
    headers: HeaderMap,
    settings: Settings,
    answers: AnswerRules,
    receipts: Option<ReceiptParser>,
}

impl SmsGateway {
    fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let (name, fields) = (common.name(), &settings.fields);
        let url = check_url(name, &settings.url)?;
        let mut headers = check_headers(name, &settings.headers)?;
        match (&settings.user, &settings.password) {
            (Some(user), Some(password)) => headers.extend([basic(name, user, password)?]),
            (None, None) => {}
            _ => return Err(Error::new(name, "user and password: expected both or neither")),
        }
        if fields.to.is_empty() || fields.text.is_empty() {
            return Err(Error::new(name, "fields: to and text must not be empty"));
        }
        let Settings { errors, reference_path, require_reference, .. } = settings;
        let answers = AnswerRules::new(name, errors.as_ref(), reference_path.as_deref(), *require_reference)?;
        let receipts = ReceiptParser::configured(name, settings.receipt.as_ref())?;
        Ok(Self { url, headers, settings: settings.clone(), answers, receipts })
    }

    fn fields(&self, message: &OutboundMessage) -> Map<String, Value> {
        let Settings { fields, sender, static_fields, .. } = &self.settings;
        let (RenderedMessage::Sms { text }
        | RenderedMessage::Push { body: text, .. }
        | RenderedMessage::Email { text, .. }) = &message.rendered;
        let ours = [
            (&fields.to, Some(message.to.expose().into())),
            (&fields.text, Some(text.reveal().into())),
            (&fields.sender, sender.as_deref().map(Value::from)),
            (&fields.reference, Some(message.delivery.to_string().into())),
            (&fields.validity, Some(seconds_valid(message).into())),
        ];
        let mut all: Map<String, Value> = static_fields.0.clone().into_iter().collect();
        let named = ours.into_iter().filter(|(name, _)| !name.is_empty());
        all.extend(named.filter_map(|(name, value)| Some((name.clone(), value?))));
        all
    }
}

impl HttpProvider for SmsGateway {
    fn request(&self, message: &OutboundMessage) -> HttpRequest {
        let fields = self.fields(message);
        let body = match self.settings.format {
            BodyFormat::Json => Body::Json(Value::Object(fields)),
            BodyFormat::Form => Body::Form(
                fields.into_iter().map(|(name, v)| (name, scalar(&v).unwrap_or_else(|| v.to_string()))).collect(),
            ),
        };
        HttpRequest { method: Method::POST, url: self.url.clone(), headers: self.headers.clone(), body }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::test_servers;
    use super::*;
    use crate::domain::contact::Channel;
    use crate::domain::outcome::{Cause, Reference};

    fn gateway(mut given: Value) -> SmsGateway {
        given["url"] = "https://sms.example/send".into();
        let settings: Settings = serde_json::from_value(given).unwrap();
        SmsGateway::new(&settings, &test_servers::common("primary", Channel::Sms)).unwrap()
    }

    #[test]
    fn fields_have_the_configured_names() {
        let gateway = gateway(json!({
            "sender": "BANK", "static_fields": { "encoding": "utf-8", "fast": true },
            "fields": { "to": "recipient", "validity": "" },
        }));
        let fields = gateway.fields(&test_servers::sms("Kod 0042 \"ż\""));
        assert_eq!(
            Value::Object(fields),
            json!({
                "recipient": "+48600100200", "text": "Kod 0042 \"ż\"", "from": "BANK",
                "reference": test_servers::delivery(), "encoding": "utf-8", "fast": true,
            })
        );
    }

    #[tokio::test]
    async fn a_form_is_escaped_and_credentials_are_sent_in_headers() {
        let (url, received) =
            test_servers::http(test_servers::http_answer("202 Accepted", &[], r#"{"sms":[{"id":77}]}"#)).await;
        let provider = test_servers::connect(json!({
            "kind": "sms_gateway", "name": "primary", "url": url, "format": "form", "user": "me", "password": "hush", "headers": { "X-Key": "k" },
            "reference_path": "/sms/0/id", "static_fields": { "fast": 1 },
        }));

        let outcome = provider.send(&test_servers::sms("Code 0042&from=EVE")).await.outcome;

        assert_eq!(outcome, Outcome::accepted(Reference::new("77")));
        let request = received.all().concat();
        assert!(request.contains("authorization: Basic bWU6aHVzaA==\r\n") && request.contains("x-key: k\r\n"));
        assert!(request.contains("content-type: application/x-www-form-urlencoded\r\n"), "{request}");
        let body = request.split("\r\n\r\n").nth(1).unwrap();
        let reference = test_servers::delivery();
        assert_eq!(
            body,
            format!("fast=1&reference={reference}&text=Code+0042%26from%3DEVE&to=%2B48600100200&validity_seconds=299")
        );
    }

    #[test]
    fn answers_are_read_as_the_settings_say() {
        let gateway = gateway(json!({
            "reference_path": "/msg/id",
            "errors": { "path": "/code", "invalid_number": ["21211"], "ok": { "path": "/status", "values": ["0"] } },
        }));
        for (status, body, outcome) in [
            (200, r#"{"status":0,"msg":{"id":"m-1"}}"#, Outcome::accepted(Reference::new("m-1"))),
            (200, r#"{"status":29}"#, Outcome::deferred(Cause::Unclassified)),
            (400, r#"{"code":21211}"#, Outcome::rejected(Cause::InvalidContact)),
            (404, "", Outcome::deferred(Cause::WrongUrl)),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(gateway.outcome(status, body.as_bytes()), outcome, "{status} {body}");
        }
        assert_eq!(gateway.error_code(br#"{"code":21211}"#).as_deref(), Some("21211"));
    }

    #[tokio::test]
    async fn credentials_in_a_rejection_are_not_kept() {
        let answer = r#"{"code":17,"error":"unknown key k-Zx81qPwL0 with Basic bWU6aHVzaGh1c2g="}"#;
        let (url, _) = test_servers::http(test_servers::http_answer("401 No", &[], answer)).await;
        let provider = test_servers::connect(json!({
            "kind": "sms_gateway", "name": "primary", "url": url, "user": "me", "password": "hushhush",
            "static_fields": { "key": "k-Zx81qPwL0" }, "errors": { "path": "/code" },
        }));

        let result = provider.send(&test_servers::sms("Code 0042")).await;

        assert_eq!(result.outcome, Outcome::deferred(Cause::Unauthorized));
        let detail = result.detail.unwrap();
        assert_eq!(detail.as_str(), r#"HTTP 401, code 17: {"code":17,"error":"unknown key *** with ***="}"#);
    }
}
