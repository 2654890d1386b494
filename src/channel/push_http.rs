//! A push service of the operator's own: one HTTP POST for each message, which the service passes on to the app.
//!
//! It does not speak the protocols of Apple or Google: their tokens and errors are the service's business.

use std::collections::BTreeMap;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::json;

use super::http::answer::{AnswerCodes, AnswerRules, common_outcome};
use super::http::{self, Body, HttpRequest, max_in_flight};
use super::http::{check_headers, check_url, seconds_valid};
use super::receipt::{self, ReceiptParser};
use super::{Adapter, Capabilities, Common, Error, HttpProvider, KindSettings, ProviderEndpoint, Repeat, SendResult};
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::receipt::{Callback, ReceiptBatch, ReceiptRejection};
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
    /// JSON pointer (RFC 6901) to the message id in the answer; `/id` when absent.
    #[serde(default)]
    pub reference_path: Option<String>,
    /// Whether an answer without a message id is no success; by default if `reference_path` is set and `errors.ok` is not.
    #[serde(default)]
    pub require_reference: Option<bool>,
    /// The service's own error codes, if it documents any.
    #[serde(default)]
    pub errors: Option<AnswerCodes>,
    /// The statuses that mean: this token is not valid any more, for certain. The token is retired.
    #[serde(default = "gone")]
    pub token_gone: Vec<u16>,
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
    #[serde(default)]
    pub receipt: Option<receipt::Settings>,
}

// As APNs and RFC 8030 (section 7.3) use it. 404 is also the answer to a wrong URL.
fn gone() -> Vec<u16> {
    vec![410]
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        http::adapter(common, self.max_in_flight, PushService::new(self, common)?, self.receipt.is_some())
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        ProviderEndpoint::of_url(&self.url)
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "a field in seconds",
            repeat: Repeat::AsConfigured("as the service has it"),
            receipts: "as for `sms_gateway`",
            tested_against: "practice service",
        }
    }
}

struct PushService {
    url: Url,
    headers: HeaderMap,
    token_gone: Vec<u16>,
    answers: AnswerRules,
    receipts: Option<ReceiptParser>,
}

impl PushService {
    fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let name = common.name();
        let Settings { errors, reference_path, require_reference, token_gone, .. } = settings;
        if token_gone.iter().any(|status| !(400..500).contains(status)) {
            return Err(Error::new(name, "token_gone: expected statuses from 400 to 499, such as 410"));
        }
        Ok(Self {
            url: check_url(name, &settings.url)?,
            headers: check_headers(name, &settings.headers)?,
            token_gone: token_gone.clone(),
            answers: AnswerRules::new(name, errors.as_ref(), reference_path.as_deref(), *require_reference)?,
            receipts: ReceiptParser::configured(name, settings.receipt.as_ref())?,
        })
    }
}

impl HttpProvider for PushService {
    fn request(&self, message: &OutboundMessage) -> Result<HttpRequest, SendResult> {
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
        Ok(HttpRequest {
            method: Method::POST,
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: Body::Json(body),
        })
    }

    fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome {
        let outcome = self.answers.outcome(status, body);
        let by_status = outcome == common_outcome(status);
        // The app was removed or registered again. A token is never valid again, so one that is invalid is gone.
        let is_gone = by_status && self.token_gone.contains(&status.as_u16());
        if is_gone || outcome.cause() == Some(Cause::InvalidContact) {
            Outcome::failed(Cause::ContactGone)
        } else {
            outcome
        }
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
    use std::sync::Arc;

    use serde_json::Value;

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

        let outcome = connect(&url).send(&test_servers::push("Bank", "Code 0042")).await.outcome;

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

    fn service(mut settings: Value) -> Result<PushService, Error> {
        settings["url"] = "https://push.example".into();
        PushService::new(&serde_json::from_value(settings).unwrap(), &test_servers::common("app", Channel::Push))
    }

    #[test]
    fn a_token_is_gone_by_its_status_or_a_listed_code_and_by_nothing_else() {
        let usual = service(json!({})).unwrap();
        let own = service(json!({
            "token_gone": [404, 410], "errors": { "path": "/error", "invalid_token": ["UNREGISTERED"], "throttled": ["busy"] },
        }));
        let own = own.unwrap();
        for (status, body, by_default, configured) in [
            (200, "", Outcome::accepted(None), Outcome::accepted(None)),
            (400, "", Outcome::deferred(Cause::Unclassified), Outcome::deferred(Cause::Unclassified)),
            (403, "", Outcome::deferred(Cause::Unauthorized), Outcome::deferred(Cause::Unauthorized)),
            (404, "", Outcome::deferred(Cause::WrongUrl), Outcome::rejected(Cause::ContactGone)),
            (410, "", Outcome::rejected(Cause::ContactGone), Outcome::rejected(Cause::ContactGone)),
            (410, r#"{"error":"busy"}"#, Outcome::rejected(Cause::ContactGone), Outcome::deferred(Cause::Throttled)),
            (
                400,
                r#"{"error":"unregistered"}"#,
                Outcome::deferred(Cause::Unclassified),
                Outcome::rejected(Cause::ContactGone),
            ),
            (413, "", Outcome::rejected(Cause::BadMessage), Outcome::rejected(Cause::BadMessage)),
        ] {
            let outcome =
                |service: &PushService| service.outcome(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            assert_eq!((outcome(&usual), outcome(&own)), (by_default, configured), "{status} {body}");
        }
        let error = service(json!({ "token_gone": [200] })).err().unwrap().to_string();
        assert_eq!(error, "provider app: token_gone: expected statuses from 400 to 499, such as 410");
    }
}
