//! A push service of one's own that takes one HTTP POST a message and passes it on to the app.
//!
//! Not the protocol of Apple or Google: their tokens and errors are the service's business.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Body, ClientOptions, HttpChannel, HttpRequest, IN_FLIGHT};
use super::http::{check_headers, check_url, common_verdict, reference_at, seconds_valid};
use super::{Error, HttpProvider, Provider, receipt};
use crate::domain::contact::Channel;
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::price::Price;
use crate::domain::secret::Credential;

/// How to reach the service.
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
    /// Headers of every request, such as `authorization`.
    #[serde(default)]
    pub headers: BTreeMap<String, Credential>,
    /// JSON pointer (RFC 6901) to the message id in the answer.
    #[serde(default = "id_pointer")]
    pub reference_path: String,
    /// How long one attempt may take, at most 8s.
    #[serde(default = "super::attempt_max", with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub timeout: Duration,
    /// How many requests may be under way at once.
    #[serde(default = "in_flight")]
    pub in_flight: usize,
    /// A PEM file of certificates to trust beside those of the system.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Whether the service sends once when the same reference comes twice.
    #[serde(default)]
    pub deduplicates: bool,
    /// Its share of the traffic among the push services that have a weight; without one the order of the file counts.
    #[serde(default)]
    pub weight: Option<u32>,
    /// With less time left than this, others are asked before it.
    #[serde(default, with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub min_validity: Duration,
    /// What a message costs; nothing when not given.
    #[serde(default)]
    pub price: Price,
    /// What may be spent on it in an hour; no limit when not given.
    #[serde(default)]
    pub spend_cap_per_hour: Option<Price>,
    /// How it reports what became of a message, if it does.
    #[serde(default)]
    pub receipt: Option<receipt::Settings>,
}

fn id_pointer() -> String {
    "/id".to_owned()
}

const fn in_flight() -> usize {
    IN_FLIGHT
}

/// Sets the service up; nothing is contacted yet.
pub fn connect(settings: &Settings) -> Result<Arc<dyn Provider>, Error> {
    let Settings { name, timeout, in_flight, ca, .. } = settings;
    let line = ClientOptions { name, timeout: *timeout, in_flight: *in_flight, ca: ca.as_ref() };
    Ok(Arc::new(HttpChannel::new(&line, PushService::new(settings)?)?))
}

struct PushService {
    url: Url,
    headers: HeaderMap,
    reference_path: String,
}

impl PushService {
    fn new(settings: &Settings) -> Result<Self, Error> {
        let url = check_url(&settings.name, &settings.url)?;
        let headers = check_headers(&settings.name, &settings.headers)?;
        Ok(Self { url, headers, reference_path: settings.reference_path.clone() })
    }
}

impl HttpProvider for PushService {
    fn request(&self, outbound: &OutboundMessage) -> HttpRequest {
        let (title, body) = match &outbound.message {
            RenderedMessage::Push { title, body } => (title.reveal(), body.reveal()),
            RenderedMessage::Email { subject, text, .. } => (subject.reveal(), text.reveal()),
            RenderedMessage::Sms { text } => ("", text.reveal()),
        };
        let body = json!({
            "token": outbound.to.expose(),
            "title": title,
            "body": body,
            "reference": outbound.delivery,
            "ttl_seconds": seconds_valid(outbound),
        });
        HttpRequest {
            method: Method::POST,
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: Body::Json(body),
        }
    }

    fn verdict(&self, status: StatusCode, body: &[u8]) -> Outcome {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        match status.as_u16() {
            200..=299 => Outcome::accepted(reference_at(&answer, &self.reference_path)),
            // The app was removed or registered anew: this token will never be good again.
            404 | 410 => Outcome::refused(Cause::InvalidContact),
            400 | 413 | 422 => Outcome::refused(Cause::BadMessage),
            _ => common_verdict(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_servers;
    use super::*;
    use crate::domain::outcome::Reference;

    fn settings(url: &str) -> Settings {
        serde_json::from_value(json!({ "name": "app", "url": url, "headers": { "authorization": "Bearer t" } }))
            .unwrap()
    }

    #[tokio::test]
    async fn a_message_is_posted_with_its_title_and_its_time_to_live() {
        let (url, seen) = test_servers::http(test_servers::http_answer("201 Created", &[], r#"{"id":"p-1"}"#)).await;

        let outcome = connect(&settings(&url)).unwrap().send(&test_servers::push("Bank", "Code 0042")).await;

        assert_eq!(outcome, Outcome::accepted(Reference::new("p-1")));
        let request = seen.all().concat();
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
    fn every_answer_has_a_meaning() {
        let service = PushService::new(&settings("https://push.example")).unwrap();
        for (status, outcome) in [
            (200, Outcome::accepted(None)),
            (204, Outcome::accepted(None)),
            (400, Outcome::refused(Cause::BadMessage)),
            (401, Outcome::refused(Cause::Unauthorized)),
            (403, Outcome::refused(Cause::Unauthorized)),
            (404, Outcome::refused(Cause::InvalidContact)),
            (410, Outcome::refused(Cause::InvalidContact)),
            (413, Outcome::refused(Cause::BadMessage)),
            (429, Outcome::deferred(Cause::Throttled)),
            (500, Outcome::deferred(Cause::ProviderDown)),
            (302, Outcome::refused(Cause::Unclassified)),
        ] {
            assert_eq!(service.verdict(StatusCode::from_u16(status).unwrap(), b""), outcome, "{status}");
        }
    }
}
