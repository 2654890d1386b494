//! SMS through Infobip (`/sms/3/messages`): JSON, our id for each message, receipts in batches.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::answer::{common_outcome, reference_at, scalar};
use super::http::{self, Body, HttpRequest, max_in_flight};
use super::http::{authorization, check_url, seconds_valid, sms_text};
use super::receipts_url::{self, ReceiptsUrl};
use super::sender_names::SenderNames;
use super::{Adapter, Capabilities, Common, Error, HttpProvider, KindSettings, ProviderEndpoint, Repeat, SendResult};
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::domain::receipt::{Callback, Receipt, ReceiptBatch, ReceiptCode, ReceiptRejection, ReceiptStatus};
use crate::domain::secret::Credential;

/// The longest validity, in seconds: 48 hours. Infobip cuts a longer one in silence.
const VALIDITY_MAX: u64 = 48 * 3600;

/// The groups of statuses that Infobip documents.
mod group {
    pub(super) const ACCEPTED: u64 = 0;
    pub(super) const PENDING: u64 = 1;
    pub(super) const UNDELIVERABLE: u64 = 2;
    pub(super) const DELIVERED: u64 = 3;
    pub(super) const EXPIRED: u64 = 4;
    pub(super) const REJECTED: u64 = 5;
}

/// The keys of kind `infobip`. With `deduplicates = true` a repeated request is one message: Infobip rejects a `messageId` that it
/// has taken before, and the delivery's id is sent as such.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The base URL of the account, such as `https://xxxxx.api.infobip.com`.
    pub url: String,
    /// A key with the scope `sms:message:send`.
    pub api_key: Credential,
    /// The sender name or number.
    pub sender: SenderNames,
    /// Where Infobip reports delivery. Without it there are no receipts.
    #[serde(default)]
    pub receipts: Option<receipts_url::Settings>,
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        http::adapter(common, self.max_in_flight, Infobip::new(self, common)?, self.receipts.is_some())
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        ProviderEndpoint::of_url(&self.url)
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "`validityPeriod` in seconds, to 48 h",
            repeat: Repeat::ByReference("rejected as a duplicate, which counts as accepted"),
            receipts: "batches in JSON; a secret in the URL",
            tested_against: "models of its Python library",
        }
    }
}

struct Infobip {
    url: Url,
    headers: HeaderMap,
    sender: SenderNames,
    receipts: Option<ReceiptsUrl>,
}

impl Infobip {
    fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let name = common.name();
        let mut url = check_url(name, &settings.url)?;
        url.set_path("/sms/3/messages");
        let headers = HeaderMap::from_iter([authorization(name, "api_key", "App", &settings.api_key)?]);
        let receipts = ReceiptsUrl::configured(name, settings.receipts.as_ref())?;
        Ok(Self { url, headers, sender: settings.sender.clone(), receipts })
    }
}

impl HttpProvider for Infobip {
    fn request(&self, message: &OutboundMessage) -> Result<HttpRequest, SendResult> {
        let text = sms_text(message);
        let to = message.to.expose().trim_start_matches('+');
        let validity = json!({ "amount": seconds_valid(message).min(VALIDITY_MAX), "timeUnit": "SECONDS" });
        let mut sms = json!({
            "sender": self.sender.of(message),
            "destinations": [{ "to": to, "messageId": message.delivery }],
            "content": { "text": text },
            "options": { "validityPeriod": validity },
        });
        if let Some(url) = &self.receipts {
            sms["webhooks"] = json!({
                "delivery": { "url": url.as_str(), "intermediateReport": false },
                "contentType": "application/json",
            });
        }
        let body = Body::Json(json!({ "messages": [sms] }));
        Ok(HttpRequest { method: Method::POST, url: self.url.clone(), headers: self.headers.clone(), body })
    }

    // A message that is rejected at once is reported inside of an answer with status 200.
    fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        if !status.is_success() {
            return common_outcome(status);
        }
        let message = &answer["messages"][0];
        match (message["status"]["groupId"].as_u64(), reference_at(message, "/messageId")) {
            (Some(group::ACCEPTED | group::PENDING | group::DELIVERED), reference @ Some(_)) => {
                Outcome::accepted(reference)
            }
            (Some(group::UNDELIVERABLE | group::REJECTED | group::EXPIRED), _) => {
                rejected(message["status"]["name"].as_str().unwrap_or_default())
            }
            _ => Outcome::unknown(Cause::Unclassified),
        }
    }

    fn error_code(&self, body: &[u8]) -> Option<String> {
        let answer: Value = serde_json::from_slice(body).ok()?;
        [&answer["messages"][0]["status"]["name"], &answer["errorCode"]].into_iter().find_map(scalar)
    }

    fn receipts(&self, callback: &Callback<'_>) -> Result<ReceiptBatch, ReceiptRejection> {
        self.receipts.as_ref().ok_or(ReceiptRejection::Unsigned)?.authenticate(callback)?;
        let document: Value = serde_json::from_slice(callback.body).map_err(|_| ReceiptRejection::Malformed)?;
        let reports = document["results"].as_array().ok_or(ReceiptRejection::Malformed)?;
        let mut batch = ReceiptBatch::default();
        for report in reports {
            let reference = reference_at(report, "/messageId");
            match (reference, report["status"]["groupId"].as_u64()) {
                (Some(reference), Some(group)) => batch.receipts.extend(receipt(report, reference, group, callback)),
                _ => batch.unreadable += 1,
            }
        }
        batch.of(reports.len())
    }
}

/// `None` when the status is not final.
fn receipt(report: &Value, reference: Reference, group: u64, callback: &Callback<'_>) -> Option<Receipt> {
    let status = match group {
        group::DELIVERED => ReceiptStatus::Delivered,
        group::EXPIRED => ReceiptStatus::Expired,
        group::UNDELIVERABLE | group::REJECTED => ReceiptStatus::Undelivered,
        _ => return None,
    };
    // Names of errors, such as EC_ABSENT_SUBSCRIBER, say more than those of statuses.
    let error = report["error"]["name"].as_str().filter(|name| *name != "NO_ERROR");
    let code = error.or(report["status"]["name"].as_str()).and_then(ReceiptCode::new);
    Some(Receipt { reference, status, code, at: callback.now })
}

/// What the names of statuses mean with which Infobip rejects a message at once.
fn rejected(name: &str) -> Outcome {
    Outcome::failed(match name {
        // It has the first one already.
        "REJECTED_DUPLICATE_MESSAGE_ID" => return Outcome::accepted(None),
        "REJECTED_DESTINATION"
        | "REJECTED_DESTINATION_NOT_REGISTERED"
        | "REJECTED_INVALID_DESTINATION"
        | "REJECTED_PREFIX_MISSING"
        | "REJECTED_DND" => Cause::InvalidContact,
        "REJECTED_MESSAGE_TOO_LONG" | "REJECTED_INVALID_CONTENT" | "REJECTED_CONTENT" => Cause::BadMessage,
        "REJECTED_NOT_ENOUGH_CREDITS"
        | "REJECTED_SENDER"
        | "REJECTED_SOURCE"
        | "REJECTED_NETWORK"
        | "REJECTED_ROUTE_NOT_AVAILABLE"
        | "REJECTED_TEST_NUMBER"
        | "REJECTED_ACCOUNT" => Cause::Account,
        "REJECTED_FLOODING_FILTER" => Cause::Throttled,
        "REJECTED_SYSTEM_ERROR" => Cause::ProviderDown,
        _ => Cause::Unclassified,
    })
}

#[cfg(test)]
mod tests {
    use super::super::test_servers;
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::contact::Channel;

    fn section(url: &str) -> Value {
        json!({ "kind": "infobip", "name": "infobip", "api_key": "k-0", "sender": "BANK", "url": url,
                "receipts": { "url": "https://bank.example/receipts/infobip", "token": "0123456789abcdef" } })
    }

    fn infobip() -> Infobip {
        let mut section = section("https://account.api.infobip.example");
        section.as_object_mut().unwrap().retain(|key, _| key != "kind" && key != "name");
        Infobip::new(&serde_json::from_value(section).unwrap(), &test_servers::common("infobip", Channel::Sms)).unwrap()
    }

    fn answered(group: u64, name: &str) -> String {
        json!({ "messages": [{ "messageId": "m-1", "destination": "48600100200",
                               "status": { "groupId": group, "groupName": "G", "id": 26, "name": name } }] })
        .to_string()
    }

    #[tokio::test]
    async fn a_message_is_posted_with_our_id_and_its_validity_in_seconds() {
        let answer = answered(group::PENDING, "PENDING_ACCEPTED");
        let (url, received) = test_servers::http(test_servers::http_answer("200 OK", &[], &answer)).await;

        let outcome = test_servers::connect(section(&url)).send(&test_servers::sms("Kod 0042")).await.outcome;

        assert_eq!(outcome, Outcome::accepted(Reference::new("m-1")));
        let request = received.all().concat();
        assert!(request.starts_with("POST /sms/3/messages HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: App k-0\r\n"), "{request}");
        let body: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(
            body,
            json!({ "messages": [{
                "sender": "BANK",
                "destinations": [{ "to": "48600100200", "messageId": test_servers::delivery() }],
                "content": { "text": "Kod 0042" },
                "options": { "validityPeriod": { "amount": 299, "timeUnit": "SECONDS" } },
                "webhooks": {
                    "delivery": { "url": "https://bank.example/receipts/infobip?token=0123456789abcdef", "intermediateReport": false },
                    "contentType": "application/json",
                },
            }] })
        );
    }

    #[test]
    fn every_documented_answer_has_an_outcome() {
        let request_error = r#"{"errorCode":"E400","description":"Request cannot be processed."}"#.to_owned();
        for (status, body, outcome) in [
            (200, answered(1, "PENDING_ENROUTE"), Outcome::accepted(Reference::new("m-1"))),
            (200, answered(5, "REJECTED_DUPLICATE_MESSAGE_ID"), Outcome::accepted(None)),
            (200, answered(5, "REJECTED_INVALID_DESTINATION"), Outcome::rejected(Cause::InvalidContact)),
            (200, answered(5, "REJECTED_MESSAGE_TOO_LONG"), Outcome::rejected(Cause::BadMessage)),
            (200, answered(5, "REJECTED_NOT_ENOUGH_CREDITS"), Outcome::deferred(Cause::Account)),
            (200, answered(5, "REJECTED_FLOODING_FILTER"), Outcome::deferred(Cause::Throttled)),
            (200, answered(5, "REJECTED_FOR_A_NEW_REASON"), Outcome::deferred(Cause::Unclassified)),
            (200, "<html>".to_owned(), Outcome::unknown(Cause::Unclassified)),
            (400, request_error.clone(), Outcome::deferred(Cause::Unclassified)),
            (401, String::new(), Outcome::deferred(Cause::Unauthorized)),
            (429, String::new(), Outcome::deferred(Cause::Throttled)),
            (500, String::new(), Outcome::deferred(Cause::ProviderDown)),
        ] {
            assert_eq!(infobip().outcome(StatusCode::from_u16(status).unwrap(), body.as_bytes()), outcome, "{body}");
        }
        assert_eq!(infobip().error_code(request_error.as_bytes()).as_deref(), Some("E400"));
        assert_eq!(infobip().error_code(answered(5, "REJECTED_DND").as_bytes()).as_deref(), Some("REJECTED_DND"));
    }

    #[test]
    fn receipts_come_in_batches() {
        let report = |id: &str, group: u64, name: &str, error: &str| {
            json!({ "messageId": id, "to": "48600100200", "status": { "groupId": group, "name": name },
                    "error": { "groupId": 0, "name": error }, "price": { "pricePerMessage": 0.01, "currency": "EUR" } })
        };
        let body = json!({ "results": [
            report("m-1", 3, "DELIVERED_TO_HANDSET", "NO_ERROR"),
            report("m-2", 2, "UNDELIVERABLE_NOT_DELIVERED", "EC_ABSENT_SUBSCRIBER"),
            report("m-3", 4, "EXPIRED_EXPIRED", "NO_ERROR"),
            report("m-4", 1, "PENDING_ENROUTE", "NO_ERROR"),
            { "status": {} },
        ] })
        .to_string();
        let read = |query| {
            let callback = Callback { header: &|_| None, query, body: body.as_bytes(), now: Timestamp::from_micros(0) };
            infobip().receipts(&callback)
        };

        let batch = read("token=0123456789abcdef").unwrap();

        let found: Vec<_> = batch
            .receipts
            .iter()
            .map(|it| (it.reference.as_str(), it.status, it.code.as_ref().unwrap().as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("m-1", ReceiptStatus::Delivered, "DELIVERED_TO_HANDSET"),
                ("m-2", ReceiptStatus::Undelivered, "EC_ABSENT_SUBSCRIBER"),
                ("m-3", ReceiptStatus::Expired, "EXPIRED_EXPIRED"),
            ]
        );
        assert_eq!(batch.unreadable, 1);
        assert_eq!(read(""), Err(ReceiptRejection::Unsigned));
    }
}
