//! E-mail through Postmark (`/email`): JSON; deliveries and bounces come as webhooks in JSON. Other vendors have the same API.
//!
//! Postmark writes the mail and signs it for the sender's domain.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::answer::{common_outcome, reference_at};
use super::http::{self, Body, HttpRequest, check_url, max_in_flight};
use super::mail_headers::{self, Unsubscribe};
use super::receipts_url::{self, ReceiptsUrl};
use super::{Adapter, Capabilities, Common, Error, HttpProvider, KindSettings, ProviderEndpoint, Repeat, SendResult};
use crate::domain::mailbox;
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::receipt::{Callback, Receipt, ReceiptBatch, ReceiptCode, ReceiptRejection, ReceiptStatus};
use crate::domain::secret::Credential;

/// Bounces that do not say that the mail was not delivered: the relay goes on trying, or somebody replied.
const NOT_FINAL: [&str; 5] = ["Transient", "AutoResponder", "Subscribe", "Unsubscribe", "ChallengeVerification"];

/// The keys of kind `postmark`. The API has no field that makes a repeated request one mail, so `deduplicates` stays false.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The token of the server that sends.
    pub server_token: Credential,
    /// The sender, such as `Bank <otp@bank.example>`; its domain or address is confirmed in the account.
    pub from: String,
    /// As for `smtp`.
    #[serde(default)]
    pub list_unsubscribe: String,
    /// The stream of the server for messages that were asked for.
    #[serde(default = "stream")]
    pub stream: String,
    /// The address of the API.
    #[serde(default = "api")]
    pub url: String,
    /// Where the server's webhooks for deliveries and bounces lead. Without it there are no receipts.
    #[serde(default)]
    pub receipts: Option<receipts_url::Settings>,
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
}

fn stream() -> String {
    "outbound".to_owned()
}

fn api() -> String {
    "https://api.postmarkapp.com".to_owned()
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        http::adapter(common, self.max_in_flight, Postmark::new(self, common)?, self.receipts.is_some())
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        ProviderEndpoint::of_url(&self.url)
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "none",
            repeat: Repeat::Never("a second mail"),
            receipts: "JSON; a secret in the URL",
            tested_against: "its documentation",
        }
    }
}

struct Postmark {
    url: Url,
    headers: HeaderMap,
    from: String,
    unsubscribe: Option<Unsubscribe>,
    stream: String,
    receipts: Option<ReceiptsUrl>,
}

impl Postmark {
    fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let name = common.name();
        let mut url = check_url(name, &settings.url)?;
        url.set_path("/email");
        let token = HeaderValue::try_from(settings.server_token.expose());
        let mut token = token.map_err(|_| Error::new(name, "server_token: expected a token on one line"))?;
        token.set_sensitive(true);
        let unsubscribe =
            Unsubscribe::read(&settings.list_unsubscribe).map_err(|expected| Error::new(name, expected))?;
        Ok(Self {
            url,
            headers: HeaderMap::from_iter([
                (HeaderName::from_static("x-postmark-server-token"), token),
                (reqwest::header::ACCEPT, HeaderValue::from_static("application/json")),
            ]),
            from: mail_headers::encoded(&mail_headers::sender(name, &settings.from)?),
            unsubscribe,
            stream: settings.stream.clone(),
            receipts: ReceiptsUrl::configured(name, settings.receipts.as_ref())?,
        })
    }
}

impl HttpProvider for Postmark {
    fn request(&self, message: &OutboundMessage) -> Result<HttpRequest, SendResult> {
        let not_sent = |cause, detail| SendResult::new(Outcome::failed(cause), detail);
        let RenderedMessage::Email { subject, text, html, locale } = &message.rendered else {
            return Err(not_sent(Cause::NotRendered, "the message is no mail"));
        };
        let Some((local, domain)) = mailbox::parse(message.to.expose()) else {
            return Err(not_sent(Cause::InvalidContact, "the contact is no mail address"));
        };
        let body = json!({
            "From": self.from,
            "To": format!("{local}@{domain}"),
            "Subject": subject.reveal().replace(char::is_control, " "),
            "TextBody": text.reveal(),
            "HtmlBody": html.reveal(),
            "Headers": mail_headers::named(message, locale, self.unsubscribe.as_ref()),
            "MessageStream": self.stream,
            "Metadata": { "reference": message.delivery },
            // A code is not followed through links and pictures.
            "TrackOpens": false,
            "TrackLinks": "None",
        });
        let (url, headers) = (self.url.clone(), self.headers.clone());
        Ok(HttpRequest { method: Method::POST, url, headers, body: Body::Json(body) })
    }

    fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        match (answer["ErrorCode"].as_u64(), reference_at(&answer, "/MessageID")) {
            (Some(0), reference @ Some(_)) if status.is_success() => Outcome::accepted(reference),
            (Some(code), _) if code != 0 => cause(code).map_or_else(|| common_outcome(status), Outcome::failed),
            _ if status.is_success() => Outcome::unknown(Cause::Unclassified),
            _ => common_outcome(status),
        }
    }

    fn error_code(&self, body: &[u8]) -> Option<String> {
        let code = serde_json::from_slice::<Value>(body).ok()?["ErrorCode"].as_u64()?;
        Some(code.to_string())
    }

    fn receipts(&self, callback: &Callback<'_>) -> Result<ReceiptBatch, ReceiptRejection> {
        self.receipts.as_ref().ok_or(ReceiptRejection::Unsigned)?.authenticate(callback)?;
        let report: Value = serde_json::from_slice(callback.body).map_err(|_| ReceiptRejection::Malformed)?;
        let reference = reference_at(&report, "/MessageID").ok_or(ReceiptRejection::Malformed)?;
        let kind = report["RecordType"].as_str().ok_or(ReceiptRejection::Malformed)?;
        let bounce = report["Type"].as_str().unwrap_or_default();
        let (status, code) = match kind {
            "Delivery" => (ReceiptStatus::Delivered, "Delivery".to_owned()),
            "Bounce" if !NOT_FINAL.contains(&bounce) => (ReceiptStatus::Undelivered, format!("Bounce {bounce}")),
            _ => return Ok(ReceiptBatch::default()),
        };
        let receipt = Receipt { reference, status, code: ReceiptCode::new(&code), at: callback.now };
        Ok(ReceiptBatch { receipts: vec![receipt], unreadable: 0 })
    }
}

/// What an error means that the API documents; `None` if the status says all.
const fn cause(code: u64) -> Option<Cause> {
    Some(match code {
        10 => Cause::Unauthorized,
        100 => Cause::ProviderDown,
        // The address bounced before, or its owner complained.
        406 => Cause::InvalidContact,
        // A sender that is unknown or not confirmed, no credit, and an account that is pending, closed or limited to its own domain.
        400 | 401 | 405 | 412 | 413 => Cause::Account,
        300 | 402 | 403 | 409 => Cause::Unclassified,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::test_servers;
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::contact::Channel;
    use crate::domain::outcome::Reference;

    fn section(url: &str) -> Value {
        json!({ "kind": "postmark", "name": "postmark", "server_token": "t-0", "from": "Bank <otp@bank.example>", "url": url,
                "receipts": { "url": "https://bank.example/receipts/postmark", "token": "0123456789abcdef" } })
    }

    fn postmark() -> Postmark {
        let mut section = section("https://api.postmark.example");
        section.as_object_mut().unwrap().retain(|key, _| key != "kind" && key != "name");
        let common = test_servers::common("postmark", Channel::Email);
        Postmark::new(&serde_json::from_value(section).unwrap(), &common).unwrap()
    }

    #[tokio::test]
    async fn a_mail_is_posted_with_both_texts_and_is_not_tracked() {
        let answer = r#"{"To":"leon@mail.example","MessageID":"m-1","ErrorCode":0,"Message":"OK"}"#;
        let (url, received) = test_servers::http(test_servers::http_answer("200 OK", &[], answer)).await;
        let message = test_servers::email("Kod", "Kod 0042", "<p>Kod 0042</p>");

        let outcome = test_servers::connect(section(&url)).send(&message).await.outcome;

        assert_eq!(outcome, Outcome::accepted(Reference::new("m-1")));
        let request = received.all().concat();
        assert!(request.starts_with("POST /email HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("x-postmark-server-token: t-0\r\n"), "{request}");
        let mut body: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(body["Headers"].take().as_array().unwrap().len(), 3);
        assert_eq!(
            body,
            json!({
                "From": "Bank <otp@bank.example>", "To": "leon@mail.example", "Subject": "Kod", "TextBody": "Kod 0042",
                "HtmlBody": "<p>Kod 0042</p>", "Headers": null, "MessageStream": "outbound", "TrackOpens": false,
                "TrackLinks": "None", "Metadata": { "reference": test_servers::delivery() },
            })
        );
    }

    #[test]
    fn every_documented_answer_has_an_outcome() {
        let error = |code: u32| json!({ "ErrorCode": code, "Message": "no" });
        for (status, body, outcome) in [
            (200, json!({ "ErrorCode": 0, "MessageID": "m-1" }), Outcome::accepted(Reference::new("m-1"))),
            (200, json!({ "ErrorCode": 0 }), Outcome::unknown(Cause::Unclassified)),
            (200, json!({ "MessageID": "m-1" }), Outcome::unknown(Cause::Unclassified)),
            (401, error(10), Outcome::deferred(Cause::Unauthorized)),
            (503, error(100), Outcome::deferred(Cause::ProviderDown)),
            (422, error(300), Outcome::deferred(Cause::Unclassified)),
            (422, error(400), Outcome::deferred(Cause::Account)),
            (422, error(401), Outcome::deferred(Cause::Account)),
            (422, error(405), Outcome::deferred(Cause::Account)),
            (422, error(406), Outcome::rejected(Cause::InvalidContact)),
            (422, error(412), Outcome::deferred(Cause::Account)),
            (422, error(9999), Outcome::deferred(Cause::Unclassified)),
            (429, Value::Null, Outcome::deferred(Cause::Throttled)),
            (500, Value::Null, Outcome::deferred(Cause::ProviderDown)),
        ] {
            let found = postmark().outcome(StatusCode::from_u16(status).unwrap(), body.to_string().as_bytes());
            assert_eq!(found, outcome, "{body}");
        }
        assert_eq!(postmark().error_code(error(406).to_string().as_bytes()).as_deref(), Some("406"));
    }

    #[test]
    fn deliveries_and_final_bounces_are_receipts() {
        let read = |query, report: Value| {
            let body = report.to_string();
            let callback = Callback { header: &|_| None, query, body: body.as_bytes(), now: Timestamp::from_micros(0) };
            postmark().receipts(&callback)
        };
        let token = "token=0123456789abcdef";
        let report = |kind: &str, bounce: &str| json!({ "RecordType": kind, "Type": bounce, "MessageID": "m-1" });
        let found = |kind, bounce| {
            let batch = read(token, report(kind, bounce)).unwrap();
            batch.receipts.first().map(|it| (it.status, it.code.as_ref().unwrap().as_str().to_owned()))
        };
        assert_eq!(found("Delivery", ""), Some((ReceiptStatus::Delivered, "Delivery".to_owned())));
        assert_eq!(found("Bounce", "HardBounce"), Some((ReceiptStatus::Undelivered, "Bounce HardBounce".to_owned())));
        assert_eq!((found("Bounce", "Transient"), found("Open", "")), (None, None));
        assert_eq!(read("", report("Delivery", "")), Err(ReceiptRejection::Unsigned));
        assert_eq!(read(token, json!({ "RecordType": "Delivery" })), Err(ReceiptRejection::Malformed));
    }
}
