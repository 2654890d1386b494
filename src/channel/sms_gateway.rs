//! An SMS gateway that takes one HTTP request for each message, with configurable field names, authentication and answers.
//!
//! Gateways that take several messages in one request, or that document more than lists of codes can say, need a file of their
//! own. `config/providers` has vendors that need none.

mod fields;
mod signature;
#[cfg(test)]
mod vendors;

use std::collections::BTreeMap;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::http::answer::{AnswerCodes, AnswerRules};
use super::http::{self, Body, HttpRequest, max_in_flight};
use super::http::{authorization, basic, check_headers, check_url, seconds_valid};
use super::receipt::{self, ReceiptParser};
use super::sender_names::SenderNames;
use super::{Adapter, Capabilities, Common, Error, HttpProvider, KindSettings, ProviderEndpoint, Repeat, SendResult};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::outcome::Outcome;
use crate::domain::receipt::{Callback, ReceiptBatch, ReceiptRejection};
use crate::domain::secret::Credential;
use fields::{FieldNames, NumberFormat, ReferenceFormat, StaticFields, ValidityUnit};
use signature::RequestSigner;

/// The keys of kind `sms_gateway`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where messages are sent, `http` or `https`.
    pub url: String,
    #[serde(default)]
    pub method: RequestMethod,
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
    /// In place of both: sent as `Authorization: Bearer` (RFC 6750).
    #[serde(default)]
    pub bearer_token: Option<Credential>,
    /// Signs each request.
    #[serde(default)]
    pub signature: Option<signature::Settings>,
    #[serde(default)]
    pub number_format: NumberFormat,
    #[serde(default)]
    pub reference_format: ReferenceFormat,
    #[serde(default)]
    pub validity_unit: ValidityUnit,
    /// The sender name or number; not sent when absent.
    #[serde(default)]
    pub sender: Option<SenderNames>,
    #[serde(default)]
    pub fields: FieldNames,
    /// Fields with the same value in every request.
    #[serde(default)]
    pub static_fields: StaticFields,
    /// JSON pointer (RFC 6901) to the message id in the answer, which may be XML; `/id` when absent.
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

/// The method of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestMethod {
    #[default]
    Post,
    /// The fields are in the query, where servers and proxies write them to their logs.
    Get,
}

/// The encoding of a request body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyFormat {
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
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
            validity: "a field in seconds, milliseconds or minutes",
            repeat: Repeat::AsConfigured("as the gateway has it"),
            receipts: "`[provider.receipt]`: HMAC, or a token in a header or the URL",
            tested_against: "practice gateway; what Africa's Talking, Termii, Vonage (its older SMS API) and Zenvia document",
        }
    }
}

struct SmsGateway {
    url: Url,
    headers: HeaderMap,
    settings: Settings,
    signer: Option<RequestSigner>,
    answers: AnswerRules,
    receipts: Option<ReceiptParser>,
}

impl SmsGateway {
    fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let name = common.name();
        let url = check_url(name, &settings.url)?;
        let mut headers = check_headers(name, &settings.headers)?;
        match (&settings.user, &settings.password, &settings.bearer_token) {
            (Some(user), Some(password), None) => headers.extend([basic(name, user, password)?]),
            (None, None, Some(token)) => headers.extend([authorization(name, "bearer_token", "Bearer", token)?]),
            (None, None, None) => {}
            (_, _, Some(_)) => {
                return Err(Error::new(name, "bearer_token: must not be set together with user and password"));
            }
            _ => return Err(Error::new(name, "user and password: expected both or neither")),
        }
        check_fields(name, settings)?;
        let Settings { errors, reference_path, require_reference, signature, .. } = settings;
        let answers = AnswerRules::new(name, errors.as_ref(), reference_path.as_deref(), *require_reference)?;
        let receipts = ReceiptParser::configured(name, settings.receipt.as_ref())?;
        let signer = signature.as_ref().map(|signature| RequestSigner::new(name, signature)).transpose()?;
        Ok(Self { url, headers, settings: settings.clone(), signer, answers, receipts })
    }

    fn fields(&self, message: &OutboundMessage) -> Map<String, Value> {
        let Settings { fields, sender, static_fields, number_format, reference_format, validity_unit, .. } =
            &self.settings;
        let (RenderedMessage::Sms { text }
        | RenderedMessage::Push { body: text, .. }
        | RenderedMessage::Email { text, .. }) = &message.rendered;
        let ours = [
            (&fields.to, Some(number_format.write(message.to.expose()).into())),
            (&fields.text, Some(text.reveal().into())),
            (&fields.sender, sender.as_ref().map(|sender| sender.of(message).into())),
            (&fields.reference, Some(reference_format.write(message.delivery).into())),
            (&fields.validity, Some(validity_unit.write(seconds_valid(message)).into())),
        ];
        let mut all: Map<String, Value> = static_fields.0.clone().into_iter().collect();
        let named = ours.into_iter().filter(|(name, _)| !name.is_empty());
        all.extend(named.filter_map(|(name, value)| Some((name.clone(), value?))));
        all
    }
}

fn check_fields(name: &str, settings: &Settings) -> Result<(), Error> {
    let Settings { fields, static_fields, method, format, .. } = settings;
    if fields.to.is_empty() || fields.text.is_empty() {
        return Err(Error::new(name, "fields: to and text must not be empty"));
    }
    let mut names = fields.all().into_iter().chain(static_fields.0.keys().map(String::as_str));
    if (*method == RequestMethod::Get || *format == BodyFormat::Form) && names.clone().any(fields::is_pointer) {
        return Err(Error::new(name, "fields: a JSON pointer needs method = \"post\" and format = \"json\""));
    }
    fields::check_pointers(name, &mut names)
}

impl HttpProvider for SmsGateway {
    fn request(&self, message: &OutboundMessage) -> Result<HttpRequest, SendResult> {
        let fields = self.fields(message);
        let (mut url, mut headers) = (self.url.clone(), self.headers.clone());
        let (method, body) = match (self.settings.method, self.settings.format) {
            (RequestMethod::Get, _) => {
                url.query_pairs_mut().extend_pairs(fields::pairs(fields));
                (Method::GET, Body::None)
            }
            (RequestMethod::Post, BodyFormat::Json) => (Method::POST, Body::Json(fields::document(fields))),
            (RequestMethod::Post, BodyFormat::Form) => (Method::POST, Body::Form(fields::pairs(fields))),
        };
        if let Some(signer) = &self.signer {
            let signed = match &body {
                Body::None => url.query().unwrap_or_default().as_bytes().to_vec(),
                body => body.to_bytes(),
            };
            headers.extend(signer.headers(&signed, SystemClock.now()));
        }
        Ok(HttpRequest { method, url, headers, body })
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

    use super::super::hmac::hmac;
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

    #[tokio::test]
    async fn with_get_the_fields_are_in_the_query_and_it_is_signed() {
        let answer = "<response><status>0</status><id>77</id></response>";
        let (url, received) = test_servers::http(test_servers::http_answer("200 OK", &[], answer)).await;
        let provider = test_servers::connect(json!({
            "kind": "sms_gateway", "name": "primary", "url": format!("{url}?api=2"), "method": "get", "bearer_token": "b-0",
            "number_format": "00", "reference_format": "digits", "fields": { "reference": "ref", "validity": "" },
            "signature": { "header": "X-Sign", "secret": "0123456789abcdef" }, "reference_path": "/response/id",
        }));

        let outcome = provider.send(&test_servers::sms("Code 0042 & ż")).await.outcome;

        assert_eq!(outcome, Outcome::accepted(Reference::new("77")));
        let request = received.all().concat();
        let query = "api=2&ref=66&text=Code+0042+%26+%C5%BC&to=0048600100200";
        assert!(request.starts_with(&format!("GET /send?{query} HTTP/1.1\r\n")), "{request}");
        let secret = Credential::new("0123456789abcdef".to_owned());
        let signature =
            hmac(openssl::hash::MessageDigest::sha256(), secret.expose().as_bytes(), &[query.as_bytes()]).unwrap();
        assert!(request.contains(&format!("x-sign: {}\r\n", hex::encode(signature))), "{request}");
        assert!(request.contains("authorization: Bearer b-0\r\n") && !request.contains("content-type"), "{request}");
    }

    #[tokio::test]
    async fn with_get_nothing_that_was_sent_is_kept_and_a_lost_answer_is_unknown() {
        let section = |url: &str| {
            json!({ "kind": "sms_gateway", "name": "primary", "url": url, "method": "get", "timeout": "300ms",
                    "static_fields": { "key": "k-Zx81qPwL0" } })
        };
        let message = test_servers::sms("Code 0042 to pay");
        let (url, _) = test_servers::http(test_servers::Action::Echo("400 Bad")).await;
        let echoed = test_servers::connect(section(&url)).send(&message).await.detail.unwrap();
        assert!(["0042", "600100", "Zx81"].iter().all(|secret| !echoed.as_str().contains(secret)), "{echoed}");
        for (action, expected) in [
            (test_servers::Action::Disconnect, Outcome::unknown(Cause::Disconnected)),
            (test_servers::Action::NeverReply, Outcome::unknown(Cause::TimedOut)),
        ] {
            let (url, received) = test_servers::http(action).await;
            assert_eq!(test_servers::connect(section(&url)).send(&message).await.outcome, expected);
            assert_eq!(received.all().len(), 1, "sent again");
        }
        let closed = format!("http://{}/", test_servers::closed_port().await);
        let refused = test_servers::connect(section(&closed)).send(&message).await.outcome;
        assert_eq!(refused, Outcome::deferred(Cause::Unreachable));
    }

    #[test]
    fn a_mistake_in_the_settings_is_named_by_its_key() {
        let error = |mut given: Value| {
            given["url"] = "https://sms.example/send".into();
            let settings: Settings = serde_json::from_value(given).unwrap();
            SmsGateway::new(&settings, &test_servers::common("primary", Channel::Sms)).err().unwrap().to_string()
        };
        for (given, expected) in [
            (json!({ "user": "me" }), "user and password: expected both or neither"),
            (json!({ "user": "me", "password": "p", "bearer_token": "b" }), "bearer_token: must not be set together"),
            (json!({ "fields": { "to": "" } }), "fields: to and text must not be empty"),
            (json!({ "method": "get", "fields": { "text": "/a/b" } }), "fields: a JSON pointer needs method"),
            (json!({ "format": "form", "static_fields": { "/a": 1 } }), "fields: a JSON pointer needs method"),
            (json!({ "fields": { "text": "/a/99/b" } }), "fields: expected names and indexes to 15"),
        ] {
            let error = error(given);
            assert!(error.contains(expected), "{error}");
        }
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
