//! SMS through Sinch's SMS API (XMS, `/xms/v1/PLAN/batches`): a batch of one message in JSON, receipts for each recipient.
//!
//! The API documents few codes of errors, and none that is surely about one number: what is wrong with a number is in its receipt.

use std::time::Duration;

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
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::domain::receipt::{Callback, Receipt, ReceiptBatch, ReceiptCode, ReceiptRejection, ReceiptStatus};
use crate::domain::secret::Credential;

/// The longest validity, in seconds: 3 days.
const VALIDITY_MAX: u64 = 3 * 24 * 3600;

/// The code of a receipt for a message that expired before it reached the operator.
const EXPIRED_BEFORE: u64 = 406;

/// The keys of kind `sinch`. The API has no field that makes a repeated request one message, so `deduplicates` stays false.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The address of the region where the account keeps its data, such as `https://eu.sms.api.sinch.com`.
    pub url: String,
    pub service_plan_id: String,
    /// The API token of the service plan.
    pub api_token: Credential,
    /// The sender name or number.
    pub sender: SenderNames,
    /// Where Sinch reports delivery. Without it there are no receipts.
    #[serde(default)]
    pub receipts: Option<receipts_url::Settings>,
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        http::adapter(common, self.max_in_flight, Sinch::new(self, common)?, self.receipts.is_some())
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        ProviderEndpoint::of_url(&self.url)
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "`expire_at`, to 3 days",
            repeat: Repeat::Never("a second message"),
            receipts: "JSON; a secret in the URL",
            tested_against: "models of its Python library",
        }
    }
}

struct Sinch {
    url: Url,
    headers: HeaderMap,
    sender: SenderNames,
    receipts: Option<ReceiptsUrl>,
}

impl Sinch {
    fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let (name, plan) = (common.name(), &settings.service_plan_id);
        if plan.is_empty() || !plan.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Err(Error::new(name, "service_plan_id: expected letters and digits, as the dashboard shows them"));
        }
        let mut url = check_url(name, &settings.url)?;
        url.set_path(&format!("/xms/v1/{plan}/batches"));
        let headers = HeaderMap::from_iter([authorization(name, "api_token", "Bearer", &settings.api_token)?]);
        let receipts = ReceiptsUrl::configured(name, settings.receipts.as_ref())?;
        Ok(Self { url, headers, sender: settings.sender.clone(), receipts })
    }
}

impl HttpProvider for Sinch {
    fn request(&self, message: &OutboundMessage) -> Result<HttpRequest, SendResult> {
        let left = Duration::from_secs(seconds_valid(message).min(VALIDITY_MAX));
        let mut batch = json!({
            "from": self.sender.of(message),
            "to": [message.to.expose()],
            "body": sms_text(message),
            "type": "mt_text",
            "client_reference": message.delivery,
            "expire_at": SystemClock.now().after(left).to_jiff().strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string(),
            "delivery_report": "none",
        });
        if let Some(url) = &self.receipts {
            batch["delivery_report"] = "per_recipient_final".into();
            batch["callback_url"] = url.as_str().into();
        }
        let (url, headers) = (self.url.clone(), self.headers.clone());
        Ok(HttpRequest { method: Method::POST, url, headers, body: Body::Json(batch) })
    }

    // What 400 and 403 are about is in no documented code: the sender, the account, a parameter or the number.
    fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome {
        if !status.is_success() {
            return common_outcome(status);
        }
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        match reference_at(&answer, "/id") {
            None => Outcome::unknown(Cause::Unclassified),
            reference => Outcome::accepted(reference),
        }
    }

    fn error_code(&self, body: &[u8]) -> Option<String> {
        scalar(&serde_json::from_slice::<Value>(body).ok()?["code"])
    }

    fn receipts(&self, callback: &Callback<'_>) -> Result<ReceiptBatch, ReceiptRejection> {
        self.receipts.as_ref().ok_or(ReceiptRejection::Unsigned)?.authenticate(callback)?;
        let report: Value = serde_json::from_slice(callback.body).map_err(|_| ReceiptRejection::Malformed)?;
        if report["type"] != "recipient_delivery_report_sms" {
            return Err(ReceiptRejection::Malformed);
        }
        let reference = reference_at(&report, "/batch_id").or_else(|| reference_at(&report, "/client_reference"));
        let reference = reference.ok_or(ReceiptRejection::Malformed)?;
        let written = report["status"].as_str().ok_or(ReceiptRejection::Malformed)?;
        let receipts = receipt(&report, reference, written, callback).into_iter().collect();
        Ok(ReceiptBatch { receipts, unreadable: 0 })
    }
}

/// `None` when the status is not final, or says nothing: `Unknown`.
fn receipt(report: &Value, reference: Reference, written: &str, callback: &Callback<'_>) -> Option<Receipt> {
    let code = report["code"].as_u64();
    let status = match written.to_ascii_uppercase().as_str() {
        "DELIVERED" => ReceiptStatus::Delivered,
        "EXPIRED" => ReceiptStatus::Expired,
        "ABORTED" if code == Some(EXPIRED_BEFORE) => ReceiptStatus::Expired,
        "ABORTED" | "CANCELLED" | "DELETED" | "FAILED" | "REJECTED" => ReceiptStatus::Undelivered,
        _ => return None,
    };
    let code = code.filter(|code| *code != 0).map_or_else(|| written.to_owned(), |code| format!("{written} {code}"));
    Some(Receipt { reference, status, code: ReceiptCode::new(&code), at: callback.now })
}

#[cfg(test)]
mod tests {
    use super::super::test_servers;
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::contact::Channel;

    fn section(url: &str) -> Value {
        json!({ "kind": "sinch", "name": "sinch", "service_plan_id": "jd63jf88", "api_token": "t-0", "sender": "BANK", "url": url,
                "receipts": { "url": "https://bank.example/receipts/sinch", "token": "0123456789abcdef" } })
    }

    fn sinch(plan: &str) -> Result<Sinch, Error> {
        let mut section = section("https://eu.sms.api.sinch.example");
        section["service_plan_id"] = plan.into();
        section.as_object_mut().unwrap().retain(|key, _| key != "kind" && key != "name");
        Sinch::new(&serde_json::from_value(section).unwrap(), &test_servers::common("sinch", Channel::Sms))
    }

    #[tokio::test]
    async fn a_message_is_posted_as_a_batch_of_one_that_ends_when_its_time_is_over() {
        let (url, received) =
            test_servers::http(test_servers::http_answer("201 Created", &[], r#"{"id":"b-1"}"#)).await;
        let now = SystemClock.now();

        let outcome = test_servers::connect(section(&url)).send(&test_servers::sms("Kod 0042")).await.outcome;

        assert_eq!(outcome, Outcome::accepted(Reference::new("b-1")));
        let request = received.all().concat();
        assert!(request.starts_with("POST /xms/v1/jd63jf88/batches HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: Bearer t-0\r\n"), "{request}");
        let mut body: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        let expires: jiff::Timestamp = body["expire_at"].take().as_str().unwrap().parse().unwrap();
        let seconds = expires.as_second() - now.to_jiff().as_second();
        assert!((1..=300).contains(&seconds), "{seconds}");
        assert_eq!(
            body,
            json!({
                "from": "BANK", "to": ["+48600100200"], "body": "Kod 0042", "type": "mt_text", "expire_at": null,
                "client_reference": test_servers::delivery(), "delivery_report": "per_recipient_final",
                "callback_url": "https://bank.example/receipts/sinch?token=0123456789abcdef",
            })
        );
    }

    #[test]
    fn every_documented_answer_has_an_outcome() {
        let error = r#"{"code":"syntax_constraint_violation","text":"The syntax constraint was violated"}"#;
        for (status, body, outcome) in [
            (201, r#"{"id":"b-1"}"#, Outcome::accepted(Reference::new("b-1"))),
            (200, "{}", Outcome::unknown(Cause::Unclassified)),
            (400, error, Outcome::deferred(Cause::Unclassified)),
            (401, "", Outcome::deferred(Cause::Unauthorized)),
            (403, r#"{"code":"forbidden"}"#, Outcome::deferred(Cause::Unauthorized)),
            (404, "", Outcome::deferred(Cause::WrongUrl)),
            (429, "", Outcome::deferred(Cause::Throttled)),
            (500, "", Outcome::deferred(Cause::ProviderDown)),
        ] {
            let sinch = sinch("p-1").unwrap();
            assert_eq!(sinch.outcome(StatusCode::from_u16(status).unwrap(), body.as_bytes()), outcome, "{body}");
        }
        assert_eq!(sinch("p").unwrap().error_code(error.as_bytes()).as_deref(), Some("syntax_constraint_violation"));
    }

    #[test]
    fn a_service_plan_is_no_path() {
        for bad in ["", "a/b", "a?b", "..", "ż"] {
            assert!(sinch(bad).err().unwrap().to_string().contains("service_plan_id: expected"), "{bad}");
        }
    }

    #[test]
    fn a_receipt_for_a_recipient_is_read_and_any_other_callback_is_refused() {
        let read = |query, body: Value| {
            let body = body.to_string();
            let callback = Callback { header: &|_| None, query, body: body.as_bytes(), now: Timestamp::from_micros(0) };
            sinch("p").unwrap().receipts(&callback)
        };
        let token = "token=0123456789abcdef";
        let report = |status: &str, code: u32| {
            json!({ "type": "recipient_delivery_report_sms", "batch_id": "b-1", "recipient": "48600100200", "status": status,
                    "code": code, "at": "2026-11-28T00:00:00.000Z" })
        };
        let found = |status: &str, code| {
            let batch = read(token, report(status, code)).unwrap();
            batch.receipts.first().map(|it| (it.status, it.code.as_ref().unwrap().as_str().to_owned()))
        };
        let is = |status, code: &str| Some((status, code.to_owned()));
        assert_eq!(found("Delivered", 0), is(ReceiptStatus::Delivered, "Delivered"));
        assert_eq!(found("FAILED", 402), is(ReceiptStatus::Undelivered, "FAILED 402"));
        assert_eq!(found("Aborted", 406), is(ReceiptStatus::Expired, "Aborted 406"));
        assert_eq!(found("Expired", 0), is(ReceiptStatus::Expired, "Expired"));
        assert_eq!((found("Dispatched", 401), found("Unknown", 0)), (None, None));
        assert_eq!(read("", report("Delivered", 0)), Err(ReceiptRejection::Unsigned));
        assert_eq!(read(token, json!({ "type": "mo_text" })), Err(ReceiptRejection::Malformed));
    }
}
