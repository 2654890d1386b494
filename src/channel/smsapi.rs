//! SMS through SMSAPI (`sms.do`): a form for each message, receipts as a query.
//!
//! SMSAPI expires a message after whole hours only, by a setting of the account: a code that is late still arrives, and its
//! text says until when it is valid.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

use super::http::answer::{common_outcome, reference_at, scalar};
use super::http::{self, Body, HttpRequest, max_in_flight};
use super::http::{authorization, check_url, sms_text};
use super::receipts_url::{self, ReceiptsUrl};
use super::sender_names::SenderNames;
use super::{Adapter, Capabilities, Common, Error, HttpProvider, KindSettings, ProviderEndpoint, Repeat, SendResult};
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::domain::receipt::{Callback, Receipt, ReceiptBatch, ReceiptCode, ReceiptRejection, ReceiptStatus};
use crate::domain::secret::Credential;

/// The keys of kind `smsapi`. With `deduplicates = true` a repeated request is one message for 24 hours: SMSAPI compares the
/// delivery's id, which is sent as `idx` with `check_idx`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// An OAuth token of the account with the right to send SMS.
    pub token: Credential,
    /// The sender name, confirmed in the account; the account's default without it.
    #[serde(default)]
    pub sender: Option<SenderNames>,
    /// The address of the API: another one for an account of smsapi.com.
    #[serde(default = "api")]
    pub url: String,
    /// The priority queue of SMSAPI, which costs more.
    #[serde(default)]
    pub fast: bool,
    /// Where SMSAPI reports delivery. Without it there are no receipts.
    #[serde(default)]
    pub receipts: Option<receipts_url::Settings>,
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
}

fn api() -> String {
    "https://api.smsapi.pl/sms.do".to_owned()
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        http::adapter(common, self.max_in_flight, SmsApi::new(self, common)?, self.receipts.is_some())
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        ProviderEndpoint::of_url(&self.url)
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "none below an hour: the text says until when a code is valid",
            repeat: Repeat::ByReference("one message for 24 hours (`idx`)"),
            receipts: "query or form; a secret in the URL",
            tested_against: "its documentation",
        }
    }
}

struct SmsApi {
    url: Url,
    headers: HeaderMap,
    settings: Settings,
    receipts: Option<ReceiptsUrl>,
}

impl SmsApi {
    fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let name = common.name();
        let url = check_url(name, &settings.url)?;
        let headers = HeaderMap::from_iter([authorization(name, "token", "Bearer", &settings.token)?]);
        let receipts = ReceiptsUrl::configured(name, settings.receipts.as_ref())?;
        Ok(Self { url, headers, settings: settings.clone(), receipts })
    }
}

impl HttpProvider for SmsApi {
    fn request(&self, message: &OutboundMessage) -> Result<HttpRequest, SendResult> {
        let Settings { sender, fast, .. } = &self.settings;
        let text = sms_text(message);
        let fields = [
            ("to", Some(message.to.expose().trim_start_matches('+'))),
            ("message", Some(text)),
            ("from", sender.as_ref().map(|sender| sender.of(message))),
            ("fast", fast.then_some("1")),
            ("notify_url", self.receipts.as_ref().map(ReceiptsUrl::as_str)),
            ("check_idx", Some("1")),
            ("encoding", Some("utf-8")),
            ("format", Some("json")),
        ];
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        let fields = fields.chain([("idx".to_owned(), message.delivery.to_string())]).collect();
        let (url, headers) = (self.url.clone(), self.headers.clone());
        Ok(HttpRequest { method: Method::POST, url, headers, body: Body::Form(fields) })
    }

    // Errors come with status 200, too.
    fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        match answer["error"].as_u64() {
            Some(TAKEN_BEFORE) => Outcome::accepted(None),
            Some(code) => Outcome::failed(cause(code).unwrap_or(Cause::Unclassified)),
            None if status.is_success() => match reference_at(&answer, "/list/0/id") {
                None => Outcome::unknown(Cause::Unclassified),
                reference => Outcome::accepted(reference),
            },
            None => common_outcome(status),
        }
    }

    fn error_code(&self, body: &[u8]) -> Option<String> {
        scalar(&serde_json::from_slice::<Value>(body).ok()?["error"])
    }

    /// Several reports may come in one callback: each field then holds as many values, separated by commas.
    fn receipts(&self, callback: &Callback<'_>) -> Result<ReceiptBatch, ReceiptRejection> {
        self.receipts.as_ref().ok_or(ReceiptRejection::Unsigned)?.authenticate(callback)?;
        let read = |text: &[u8], name: &str| {
            let mut pairs = form_urlencoded::parse(text).filter(|(found, _)| found == name);
            pairs.next().map(|(_, value)| value.split(',').map(|it| it.trim().to_owned()).collect::<Vec<_>>())
        };
        let field =
            |name| read(callback.query.as_bytes(), name).or_else(|| read(callback.body, name)).unwrap_or_default();
        let (ids, own_ids, statuses) = (field("MsgId"), field("idx"), field("status"));
        if statuses.is_empty() {
            return Err(ReceiptRejection::Malformed);
        }
        let mut batch = ReceiptBatch::default();
        for (place, written) in statuses.iter().enumerate() {
            let named = [&own_ids, &ids].into_iter().filter_map(|it| it.get(place)).find_map(|id| Reference::new(id));
            match (named, status(written)) {
                (None, _) | (_, Err(())) => batch.unreadable += 1,
                (_, Ok(None)) => {}
                (Some(reference), Ok(Some(status))) => {
                    let code = ReceiptCode::new(written);
                    batch.receipts.push(Receipt { reference, status, code, at: callback.now });
                }
            }
        }
        batch.of(statuses.len())
    }
}

/// The message with this `idx` was taken before.
const TAKEN_BEFORE: u64 = 53;

/// What the error codes mean that SMSAPI documents for this request.
const fn cause(code: u64) -> Option<Cause> {
    Some(match code {
        13 => Cause::InvalidContact,
        // Empty or too long, too many segments, or a link that is not allowed.
        11 | 12 | 94 => Cause::BadMessage,
        // The sender name, the balance, the account's rights, or its filter of addresses.
        14 | 65 | 98 | 103 | 105 | 110 | 111 | 112 | 1000 => Cause::Account,
        101 | 102 => Cause::Unauthorized,
        // Of all requests, or of those to one number.
        52 | 202 | 203 => Cause::Throttled,
        8 | 200 | 201 | 666 | 999 => Cause::ProviderDown,
        _ => return None,
    })
}

/// The numbers of statuses in receipts; `Ok(None)` when the status is not final.
fn status(written: &str) -> Result<Option<ReceiptStatus>, ()> {
    match written {
        "404" => Ok(Some(ReceiptStatus::Delivered)),
        // Not found, undelivered, failed, rejected, unknown, stopped.
        "401" | "405" | "406" | "407" | "408" | "412" => Ok(Some(ReceiptStatus::Undelivered)),
        "402" => Ok(Some(ReceiptStatus::Expired)),
        // Sent, in a queue, accepted, tried again.
        "403" | "409" | "410" | "411" => Ok(None),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::test_servers;
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::contact::Channel;

    fn section(url: &str) -> Value {
        json!({ "kind": "smsapi", "name": "smsapi", "token": "t-0", "sender": "BANK", "url": url,
                "receipts": { "url": "https://bank.example/receipts/smsapi", "token": "0123456789abcdef" } })
    }

    fn smsapi() -> SmsApi {
        let mut section = section("https://api.smsapi.example/sms.do");
        section.as_object_mut().unwrap().retain(|key, _| key != "kind" && key != "name");
        SmsApi::new(&serde_json::from_value(section).unwrap(), &test_servers::common("smsapi", Channel::Sms)).unwrap()
    }

    #[tokio::test]
    async fn a_message_is_posted_as_a_form_with_our_id() {
        let answer = r#"{"count":1,"list":[{"id":"6065","points":0.16,"number":"48600100200","status":"QUEUE"}]}"#;
        let (url, received) = test_servers::http(test_servers::http_answer("200 OK", &[], answer)).await;

        let outcome = test_servers::connect(section(&url)).send(&test_servers::sms("Kod 0042 ż")).await.outcome;

        assert_eq!(outcome, Outcome::accepted(Reference::new("6065")));
        let request = received.all().concat();
        assert!(request.contains("authorization: Bearer t-0\r\n"), "{request}");
        let own = test_servers::delivery();
        assert_eq!(
            request.split("\r\n\r\n").nth(1).unwrap(),
            format!(
                "to=48600100200&message=Kod+0042+%C5%BC&from=BANK&\
                 notify_url=https%3A%2F%2Fbank.example%2Freceipts%2Fsmsapi%3Ftoken%3D0123456789abcdef&\
                 check_idx=1&encoding=utf-8&format=json&idx={own}"
            )
        );
    }

    #[test]
    fn every_documented_answer_has_an_outcome() {
        let error = |code: u32| format!(r#"{{"invalid_numbers":[],"error":{code},"message":"m"}}"#);
        for (status, body, outcome) in [
            (200, r#"{"list":[{"id":"1"}]}"#.to_owned(), Outcome::accepted(Reference::new("1"))),
            (200, r#"{"count":0,"list":[]}"#.to_owned(), Outcome::unknown(Cause::Unclassified)),
            (200, error(13), Outcome::rejected(Cause::InvalidContact)),
            (400, error(13), Outcome::rejected(Cause::InvalidContact)),
            (400, error(11), Outcome::rejected(Cause::BadMessage)),
            (400, error(53), Outcome::accepted(None)),
            (400, error(103), Outcome::deferred(Cause::Account)),
            (401, error(101), Outcome::deferred(Cause::Unauthorized)),
            (429, error(203), Outcome::deferred(Cause::Throttled)),
            (200, error(201), Outcome::deferred(Cause::ProviderDown)),
            (200, error(12345), Outcome::deferred(Cause::Unclassified)),
            (500, String::new(), Outcome::deferred(Cause::ProviderDown)),
        ] {
            assert_eq!(smsapi().outcome(StatusCode::from_u16(status).unwrap(), body.as_bytes()), outcome, "{body}");
        }
        assert_eq!(smsapi().error_code(error(103).as_bytes()).as_deref(), Some("103"));
    }

    fn read(query: &str, body: &[u8]) -> Result<ReceiptBatch, ReceiptRejection> {
        let query = format!("token=0123456789abcdef&{query}");
        smsapi().receipts(&Callback { header: &|_| None, query: &query, body, now: Timestamp::from_micros(0) })
    }

    #[test]
    fn several_reports_come_in_one_callback() {
        let batch = read("MsgId=61,62,63,64,65&status=404,405,402,403,999&idx=a-1,,,,&username=b", b"").unwrap();

        let found: Vec<_> = batch.receipts.iter().map(|it| (it.reference.as_str(), it.status)).collect();
        let expected =
            [("a-1", ReceiptStatus::Delivered), ("62", ReceiptStatus::Undelivered), ("63", ReceiptStatus::Expired)];
        assert_eq!(found, expected);
        assert_eq!(batch.unreadable, 1);
    }

    #[test]
    fn a_report_comes_as_a_form_too_and_one_without_the_token_is_rejected() {
        assert_eq!(read("", b"MsgId=61&status=404").unwrap().receipts.len(), 1);
        assert_eq!(read("MsgId=61", b""), Err(ReceiptRejection::Malformed));
        assert_eq!(read("status=404", b""), Err(ReceiptRejection::Malformed));
        let callback =
            Callback { header: &|_| None, query: "MsgId=1&status=404", body: b"", now: Timestamp::from_micros(0) };
        assert_eq!(smsapi().receipts(&callback), Err(ReceiptRejection::Unsigned));
    }
}
