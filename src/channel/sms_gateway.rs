//! Any SMS gateway that takes one HTTP POST a message, with the names of its fields as configuration.
//!
//! Not for gateways that take several messages a request or sign their requests: those get a file of their own.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::http::{Body, ClientOptions, HttpChannel, HttpRequest, IN_FLIGHT};
use super::http::{basic, check_headers, check_url, common_verdict, reference_at, scalar, seconds_valid};
use super::{Error, HttpProvider, Provider, receipt};
use crate::domain::contact::Channel;
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::price::Price;
use crate::domain::secret::Credential;

/// How to reach the gateway and what it calls things.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The name it has here.
    pub name: String,
    /// The channel it serves; may be left out, since the kind says it.
    #[serde(default)]
    pub channel: Option<Channel>,
    /// Where messages are posted, `http` or `https`.
    pub url: String,
    /// The form of the body.
    #[serde(default)]
    pub format: BodyFormat,
    /// Headers of every request, such as an API key.
    #[serde(default)]
    pub headers: BTreeMap<String, Credential>,
    /// The user of basic authentication.
    #[serde(default)]
    pub user: Option<Credential>,
    /// The password of basic authentication.
    #[serde(default)]
    pub password: Option<Credential>,
    /// Who the message is from; left out when not given.
    #[serde(default)]
    pub sender: Option<String>,
    /// The gateway's names for our fields.
    #[serde(default)]
    pub fields: FieldNames,
    /// Fields that are the same in every request.
    #[serde(default)]
    pub static_fields: StaticFields,
    /// JSON pointer (RFC 6901) to the message id in the answer.
    #[serde(default = "id_pointer")]
    pub reference_path: String,
    /// What the gateway's own codes mean, when it documents any.
    #[serde(default)]
    pub errors: Option<ErrorCodes>,
    /// How long one attempt may take, at most 8s.
    #[serde(default = "super::attempt_max", with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub timeout: Duration,
    /// How many requests may be under way at once.
    #[serde(default = "in_flight")]
    pub in_flight: usize,
    /// A PEM file of certificates to trust beside those of the system.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Whether the gateway sends once when the same reference comes twice.
    #[serde(default)]
    pub deduplicates: bool,
    /// The calling codes it serves, such as `+48`; all when empty.
    #[serde(default)]
    pub countries: Vec<String>,
    /// Its share of the traffic among the gateways that serve a number and have a weight; without one the order of the file counts.
    #[serde(default)]
    pub weight: Option<u32>,
    /// With less time left than this, others are asked before it.
    #[serde(default, with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub min_validity: Duration,
    /// What a segment costs; nothing when not given.
    #[serde(default)]
    pub price: Price,
    /// Whether letters outside GSM 03.38 are written with the nearest ones inside; what the texts' settings say when not
    /// given.
    #[serde(default)]
    pub transliterate: Option<bool>,
    /// What may be spent on it in an hour; no limit when not given.
    #[serde(default)]
    pub spend_cap_per_hour: Option<Price>,
    /// How it reports what became of a message, if it does.
    #[serde(default)]
    pub receipt: Option<receipt::Settings>,
}

/// The form of a request's body.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyFormat {
    /// A JSON object.
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// The gateway's names for our fields; an empty name leaves the field out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FieldNames {
    /// The number, as `+` and digits.
    pub to: String,
    /// The text.
    pub text: String,
    /// [`Settings::sender`].
    pub sender: String,
    /// Our reference, the same on every attempt.
    pub reference: String,
    /// For how many seconds the message is still of use.
    pub validity: String,
}

impl Default for FieldNames {
    fn default() -> Self {
        let [to, text, sender, reference, validity] =
            ["to", "text", "from", "reference", "validity_seconds"].map(String::from);
        Self { to, text, sender, reference, validity }
    }
}

/// Constant fields. Some gateways want their key among them, so only the names are shown.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct StaticFields(BTreeMap<String, Value>);

impl fmt::Debug for StaticFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What the codes in the gateway's answers mean. A code listed here counts for more than the status beside it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorCodes {
    /// JSON pointer to the code, a text or a number.
    pub path: String,
    /// The number does not exist or cannot receive.
    #[serde(default)]
    pub bad_address: Vec<String>,
    /// Too fast, or over a quota that comes back.
    #[serde(default)]
    pub throttled: Vec<String>,
    /// The text or the sender is not allowed.
    #[serde(default)]
    pub refused: Vec<String>,
}

fn id_pointer() -> String {
    "/id".to_owned()
}

const fn in_flight() -> usize {
    IN_FLIGHT
}

/// Sets the gateway up; nothing is contacted yet.
pub fn connect(settings: &Settings) -> Result<Arc<dyn Provider>, Error> {
    let Settings { name, timeout, in_flight, ca, .. } = settings;
    let line = ClientOptions { name, timeout: *timeout, in_flight: *in_flight, ca: ca.as_ref() };
    Ok(Arc::new(HttpChannel::new(&line, SmsGateway::new(settings)?)?))
}

struct SmsGateway {
    url: Url,
    headers: HeaderMap,
    settings: Settings,
}

impl SmsGateway {
    fn new(settings: &Settings) -> Result<Self, Error> {
        let Settings { name, fields, .. } = settings;
        let wrong = |what: &str| Err(Error::new(name, what));
        let url = check_url(name, &settings.url)?;
        let mut headers = check_headers(name, &settings.headers)?;
        match (&settings.user, &settings.password) {
            (Some(user), Some(password)) => headers.extend([basic(name, user, password)?]),
            (None, None) => {}
            _ => return wrong("user and password: expected both or neither"),
        }
        if !settings.countries.iter().all(|code| is_calling_code(code)) {
            return wrong("countries: expected calling codes such as +48");
        }
        if fields.to.is_empty() || fields.text.is_empty() {
            return wrong("fields: expected names for to and text");
        }
        Ok(Self { url, headers, settings: settings.clone() })
    }

    fn fields(&self, outbound: &OutboundMessage) -> Map<String, Value> {
        let Settings { fields, sender, static_fields, .. } = &self.settings;
        let (RenderedMessage::Sms { text }
        | RenderedMessage::Push { body: text, .. }
        | RenderedMessage::Email { text, .. }) = &outbound.message;
        let ours = [
            (&fields.to, Some(outbound.to.expose().into())),
            (&fields.text, Some(text.reveal().into())),
            (&fields.sender, sender.as_deref().map(Value::from)),
            (&fields.reference, Some(outbound.delivery.to_string().into())),
            (&fields.validity, Some(seconds_valid(outbound).into())),
        ];
        let mut all: Map<String, Value> = static_fields.0.clone().into_iter().collect();
        let named = ours.into_iter().filter(|(name, _)| !name.is_empty());
        all.extend(named.filter_map(|(name, value)| Some((name.clone(), value?))));
        all
    }

    fn meaning(&self, answer: &Value) -> Option<Outcome> {
        let errors = self.settings.errors.as_ref()?;
        let code = scalar(answer.pointer(&errors.path)?)?;
        let table = [
            (&errors.bad_address, Outcome::refused(Cause::InvalidContact)),
            (&errors.throttled, Outcome::deferred(Cause::Throttled)),
            (&errors.refused, Outcome::refused(Cause::BadMessage)),
        ];
        table.into_iter().find(|(codes, _)| codes.contains(&code)).map(|(_, outcome)| outcome)
    }
}

impl HttpProvider for SmsGateway {
    fn request(&self, outbound: &OutboundMessage) -> HttpRequest {
        let fields = self.fields(outbound);
        let body = match self.settings.format {
            BodyFormat::Json => Body::Json(Value::Object(fields)),
            BodyFormat::Form => Body::Form(
                fields.into_iter().map(|(name, v)| (name, scalar(&v).unwrap_or_else(|| v.to_string()))).collect(),
            ),
        };
        HttpRequest { method: Method::POST, url: self.url.clone(), headers: self.headers.clone(), body }
    }

    fn verdict(&self, status: StatusCode, body: &[u8]) -> Outcome {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        match (self.meaning(&answer), status.as_u16()) {
            (Some(outcome), _) => outcome,
            (None, 200..=299) => Outcome::accepted(reference_at(&answer, &self.settings.reference_path)),
            (None, 400 | 404 | 422) => Outcome::refused(Cause::BadMessage),
            (None, _) => common_verdict(status),
        }
    }
}

fn is_calling_code(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    (1..=7).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::test_servers;
    use super::*;
    use crate::domain::outcome::Reference;

    fn settings(mut given: Value) -> Settings {
        let usual = [("name", "primary"), ("url", "https://sms.example/send")];
        for (key, value) in usual {
            given.as_object_mut().unwrap().entry(key).or_insert_with(|| value.into());
        }
        serde_json::from_value(given).unwrap()
    }

    fn gateway(given: Value) -> SmsGateway {
        SmsGateway::new(&settings(given)).unwrap()
    }

    #[test]
    fn the_fields_have_the_names_the_gateway_gave_them() {
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
    async fn a_form_is_escaped_and_carries_the_credentials_in_its_headers() {
        let (url, seen) =
            test_servers::http(test_servers::http_answer("202 Accepted", &[], r#"{"sms":[{"id":77}]}"#)).await;
        let settings = settings(json!({
            "url": url, "format": "form", "user": "me", "password": "hush", "headers": { "X-Key": "k" },
            "reference_path": "/sms/0/id", "static_fields": { "fast": 1 },
        }));

        let outcome = connect(&settings).unwrap().send(&test_servers::sms("Code 0042&from=EVE")).await;

        assert_eq!(outcome, Outcome::accepted(Reference::new("77")));
        let request = seen.all().concat();
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
    fn every_answer_has_a_meaning() {
        let gateway = gateway(json!({ "errors": {
            "path": "/error/code", "invalid_contact": ["21211"], "throttled": ["14107"], "refused": ["30007"],
        }}));
        let coded = |code: &str| format!(r#"{{"error":{{"code":{code}}}}}"#);
        for (status, body, outcome) in [
            (200, r#"{"id":"m-1"}"#.to_owned(), Outcome::accepted(Reference::new("m-1"))),
            (202, "thanks".to_owned(), Outcome::accepted(None)),
            (200, coded("0"), Outcome::accepted(None)),
            (200, coded("21211"), Outcome::refused(Cause::InvalidContact)),
            (400, coded("\"21211\""), Outcome::refused(Cause::InvalidContact)),
            (400, coded("14107"), Outcome::deferred(Cause::Throttled)),
            (403, coded("30007"), Outcome::refused(Cause::BadMessage)),
            (400, coded("1"), Outcome::refused(Cause::BadMessage)),
            (404, String::new(), Outcome::refused(Cause::BadMessage)),
            (422, String::new(), Outcome::refused(Cause::BadMessage)),
            (401, String::new(), Outcome::refused(Cause::Unauthorized)),
            (429, String::new(), Outcome::deferred(Cause::Throttled)),
            (502, String::new(), Outcome::deferred(Cause::ProviderDown)),
            (301, String::new(), Outcome::refused(Cause::Unclassified)),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(gateway.verdict(status, body.as_bytes()), outcome, "{status} {body}");
        }
    }
}
