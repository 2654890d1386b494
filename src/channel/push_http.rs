//! A push service of the operator's own: one HTTP POST for each message, which the service passes on to the app.
//!
//! It does not speak the protocols of Apple or Google: their tokens and errors are the service's business.

use std::collections::BTreeMap;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{self, Body, HttpRequest, MAX_IN_FLIGHT};
use super::http::{check_headers, check_url, common_outcome, reference_at, seconds_valid};
use super::receipt::{self, ReceiptParser};
use super::{Adapter, Common, Error, HttpProvider, KindSettings, ProviderEndpoint};
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::receipt::{Callback, Receipt, ReceiptRejection};
use crate::domain::secret::Credential;

/// The keys of kind `push_http`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where messages are posted, `http` or `https`.
    pub url: String,
    /// Headers of every request, such as `authorization`.
    #[serde(default)]
    pub headers: BTreeMap<String, Credential>,
    /// JSON pointer (RFC 6901) to the message id in the answer.
    #[serde(default = "id_pointer")]
    pub reference_path: String,
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
    #[serde(default)]
    pub receipt: Option<receipt::Settings>,
}

fn id_pointer() -> String {
    "/id".to_owned()
}

const fn max_in_flight() -> usize {
    MAX_IN_FLIGHT
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        http::adapter(common, self.max_in_flight, PushService::new(self, common)?, self.receipt.is_some())
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        ProviderEndpoint::of_url(&self.url)
    }
}

struct PushService {
    url: Url,
    headers: HeaderMap,
    reference_path: String,
    receipts: Option<ReceiptParser>,
}

impl PushService {
    fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let name = common.name();
        Ok(Self {
            url: check_url(name, &settings.url)?,
            headers: check_headers(name, &settings.headers)?,
            reference_path: settings.reference_path.clone(),
            receipts: ReceiptParser::configured(name, settings.receipt.as_ref())?,
        })
    }
}

impl HttpProvider for PushService {
    fn request(&self, message: &OutboundMessage) -> HttpRequest {
        let (title, body) = match &message.rendered {
            RenderedMessage::Push { title, body } => (title.reveal(), body.reveal()),
            RenderedMessage::Email { subject, text, .. } => (subject.reveal(), text.reveal()),
            RenderedMessage::Sms { text } => ("", text.reveal()),
        };
        let body = json!({
            "token": message.to.expose(),
            "title": title,
            "body": body,
            "reference": message.delivery,
            "ttl_seconds": seconds_valid(message),
        });
        HttpRequest {
            method: Method::POST,
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: Body::Json(body),
        }
    }

    fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        match status.as_u16() {
            200..=299 => Outcome::accepted(reference_at(&answer, &self.reference_path)),
            // The app was removed or registered again: this token will never be valid again.
            404 | 410 => Outcome::rejected(Cause::InvalidContact),
            400 | 413 | 422 => Outcome::rejected(Cause::BadMessage),
            _ => common_outcome(status),
        }
    }

    fn receipts(&self, callback: &Callback<'_>) -> Result<Vec<Receipt>, ReceiptRejection> {
        receipt::parse(self.receipts.as_ref(), callback)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::test_servers;
    use super::*;
    use crate::channel::Provider;
    use crate::domain::contact::Channel;
    use crate::domain::outcome::Reference;

    fn connect(url: &str) -> Arc<dyn Provider> {
        let headers = json!({ "authorization": "Bearer t" });
        test_servers::connect(json!({ "kind": "push_http", "name": "app", "url": url, "headers": headers }))
    }

    #[tokio::test]
    async fn a_message_is_posted_with_title_and_ttl() {
        let (url, received) =
            test_servers::http(test_servers::http_answer("201 Created", &[], r#"{"id":"p-1"}"#)).await;

        let outcome = connect(&url).send(&test_servers::push("Bank", "Code 0042")).await;

        assert_eq!(outcome, Outcome::accepted(Reference::new("p-1")));
        let request = received.all().concat();
        assert!(request.contains("authorization: Bearer t\r\n"));
        let body: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(
            body,
            json!({
                "token": "token-1", "title": "Bank", "body": "Code 0042",
                "reference": test_servers::delivery(), "ttl_seconds": 299,
            })
        );
    }

    #[test]
    fn every_status_has_an_outcome() {
        let settings: Settings = serde_json::from_value(json!({ "url": "https://push.example" })).unwrap();
        let service = PushService::new(&settings, &test_servers::common("app", Channel::Push)).unwrap();
        for (status, outcome) in [
            (200, Outcome::accepted(None)),
            (204, Outcome::accepted(None)),
            (400, Outcome::rejected(Cause::BadMessage)),
            (401, Outcome::rejected(Cause::Unauthorized)),
            (403, Outcome::rejected(Cause::Unauthorized)),
            (404, Outcome::rejected(Cause::InvalidContact)),
            (410, Outcome::rejected(Cause::InvalidContact)),
            (413, Outcome::rejected(Cause::BadMessage)),
            (429, Outcome::deferred(Cause::Throttled)),
            (500, Outcome::deferred(Cause::ProviderDown)),
            (302, Outcome::rejected(Cause::Unclassified)),
        ] {
            assert_eq!(service.outcome(StatusCode::from_u16(status).unwrap(), b""), outcome, "{status}");
        }
    }
}
