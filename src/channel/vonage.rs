//! SMS through Vonage's Messages API (`/v1/messages`): JSON, receipts with a signed token.
//!
//! An account of Vonage uses either this API or the older SMS API, because the choice decides how receipts look.

use openssl::sha::sha256;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::answer::{common_outcome, reference_at, scalar};
use super::http::{self, Body, HttpRequest, max_in_flight};
use super::http::{basic, check_public_url, check_url, seconds_valid, sms_text};
use super::sender_names::SenderNames;
use super::{
    Adapter, Capabilities, Common, Error, HttpProvider, KindSettings, ProviderEndpoint, Repeat, SendResult,
    signed_token,
};
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::receipt::{Callback, Receipt, ReceiptBatch, ReceiptCode, ReceiptRejection, ReceiptStatus};
use crate::domain::secret::Credential;

/// The bounds of `ttl`, in seconds.
const TTL: std::ops::RangeInclusive<u64> = 20..=604_800;

/// The longest time between the signature of a receipt and now, in seconds.
const AGE_MAX: i64 = 300;

/// The error of a receipt for a message whose `ttl` was over.
const EXPIRED: &str = "1360";

/// The error of a request for a message that was sent before.
const SENT_BEFORE: u32 = 1320;

/// The keys of kind `vonage`. The API has no field that makes a repeated request one message, so `deduplicates` stays false.
/// A message is valid for 20 seconds at least: with `min_validity = "20s"` a code with less time goes to other providers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub api_key: Credential,
    pub api_secret: Credential,
    /// The sender name or number.
    pub sender: SenderNames,
    /// The address of the API; another one for a region.
    #[serde(default = "api")]
    pub url: String,
    /// Where Vonage posts receipts: the public URL that leads to `/receipts/NAME`; the account's own setting without it.
    #[serde(default)]
    pub receipts_url: Option<String>,
    /// The signature secret of the account, which signs receipts. Without it there are none.
    #[serde(default)]
    pub signature_secret: Option<Credential>,
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
}

fn api() -> String {
    "https://api.nexmo.com".to_owned()
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        http::adapter(common, self.max_in_flight, Vonage::new(self, common)?, self.signature_secret.is_some())
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        ProviderEndpoint::of_url(&self.url)
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "`ttl`, 20 s to 7 days",
            repeat: Repeat::Never("a second message"),
            receipts: "JSON; a token (JWT) that signs the body",
            tested_against: "models of its Python library",
        }
    }
}

struct Vonage {
    url: Url,
    headers: HeaderMap,
    settings: Settings,
}

impl Vonage {
    fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let name = common.name();
        let Settings { api_key, api_secret, receipts_url, signature_secret, .. } = settings;
        if let Some(url) = receipts_url {
            check_public_url(name, "receipts_url", url)?;
            if signature_secret.is_none() {
                return Err(Error::new(name, "signature_secret: expected, because receipts_url asks for receipts"));
            }
        }
        let mut url = check_url(name, &settings.url)?;
        url.set_path("/v1/messages");
        let headers = HeaderMap::from_iter([basic(name, api_key, api_secret)?]);
        Ok(Self { url, headers, settings: settings.clone() })
    }

    /// The header is `Bearer` and a JWT (RFC 7519) by HS256 with the hash of the body in `payload_hash`.
    fn authenticate(&self, callback: &Callback<'_>) -> Result<(), ReceiptRejection> {
        let secret = self.settings.signature_secret.as_ref().ok_or(ReceiptRejection::Unsigned)?;
        let claims = (callback.header)("Authorization")
            .and_then(|it| std::str::from_utf8(it).ok()?.strip_prefix("Bearer "))
            .and_then(|token| signed_token::claims(token, secret))
            .ok_or(ReceiptRejection::Unsigned)?;
        if claims["payload_hash"].as_str() != Some(hex::encode(sha256(callback.body)).as_str()) {
            return Err(ReceiptRejection::Unsigned);
        }
        let signed_at = claims["iat"].as_i64().ok_or(ReceiptRejection::Untimely)?;
        let age = callback.now.seconds() - signed_at;
        if age.abs() > AGE_MAX { Err(ReceiptRejection::Untimely) } else { Ok(()) }
    }
}

impl HttpProvider for Vonage {
    fn request(&self, message: &OutboundMessage) -> Result<HttpRequest, SendResult> {
        let text = sms_text(message);
        let mut body = json!({
            "channel": "sms",
            "message_type": "text",
            "to": message.to.expose().trim_start_matches('+'),
            "from": self.settings.sender.of(message),
            "text": text,
            "client_ref": message.delivery,
            "ttl": seconds_valid(message).clamp(*TTL.start(), *TTL.end()),
        });
        if let Some(url) = &self.settings.receipts_url {
            body["webhook_url"] = url.as_str().into();
        }
        let (url, headers) = (self.url.clone(), self.headers.clone());
        Ok(HttpRequest { method: Method::POST, url, headers, body: Body::Json(body) })
    }

    fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        if status.is_success() {
            return match reference_at(&answer, "/message_uuid") {
                None => Outcome::unknown(Cause::Unclassified),
                reference => Outcome::accepted(reference),
            };
        }
        match code_of(&answer).and_then(|code| code.parse().ok()) {
            Some(SENT_BEFORE) => Outcome::accepted(None),
            code => code.and_then(cause).map_or_else(|| common_outcome(status), Outcome::failed),
        }
    }

    fn error_code(&self, body: &[u8]) -> Option<String> {
        code_of(&serde_json::from_slice(body).ok()?)
    }

    fn receipts(&self, callback: &Callback<'_>) -> Result<ReceiptBatch, ReceiptRejection> {
        self.authenticate(callback)?;
        let document: Value = serde_json::from_slice(callback.body).map_err(|_| ReceiptRejection::Malformed)?;
        let reference = reference_at(&document, "/message_uuid").ok_or(ReceiptRejection::Malformed)?;
        let written = document["status"].as_str().ok_or(ReceiptRejection::Malformed)?;
        let error = code_of(&document["error"]);
        let status = match written {
            "delivered" | "read" => ReceiptStatus::Delivered,
            "rejected" | "undeliverable" if error.as_deref() == Some(EXPIRED) => ReceiptStatus::Expired,
            "rejected" | "undeliverable" => ReceiptStatus::Undelivered,
            _ => return Ok(ReceiptBatch::default()),
        };
        let code = ReceiptCode::new(&error.map_or_else(|| written.to_owned(), |error| format!("{written} {error}")));
        Ok(ReceiptBatch { receipts: vec![Receipt { reference, status, code, at: callback.now }], unreadable: 0 })
    }
}

/// The code of an error: `title` in a receipt, or the end of its address, as in
/// `https://developer.vonage.com/api-errors/messages#1120`.
fn code_of(error: &Value) -> Option<String> {
    let title = scalar(&error["title"]).filter(|title| title.bytes().all(|b| b.is_ascii_digit()));
    let address = error["type"].as_str().and_then(|address| address.rsplit(['#', '/']).next());
    title.or_else(|| address.map(str::to_owned)).filter(|code| !code.is_empty())
}

/// What the error codes mean that Vonage documents (<https://developer.vonage.com/en/api-errors/messages>).
const fn cause(code: u32) -> Option<Cause> {
    Some(match code {
        // Barred, missing, no longer used, moved, opted out, unreachable, or not able to receive SMS.
        1050 | 1170 | 1190 | 1200 | 1240 | 1260 | 1280 | 1300 | 1310 | 1430 => Cause::InvalidContact,
        1021 | 1022 | 1090 | 1150 | 1210 | 1270 => Cause::BadMessage,
        1000 | 1241 => Cause::Throttled,
        // Barred, no credit, or a sender or destination that is not set up.
        1060 | 1070 | 1080 | 1120 | 1140 | 1160 | 1250 => Cause::Account,
        1030 | 1100 | 1230 | 1330 => Cause::ProviderDown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use openssl::hash::MessageDigest;

    use super::super::hmac::hmac;
    use super::super::test_servers;
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::contact::Channel;
    use crate::domain::outcome::Reference;

    const NOW: i64 = 1_800_000_000;

    fn section(url: &str) -> Value {
        json!({ "kind": "vonage", "name": "vonage", "api_key": "key", "api_secret": "hush", "sender": "BANK", "url": url,
                "receipts_url": "https://bank.example/receipts/vonage", "signature_secret": "sign-0" })
    }

    fn vonage() -> Vonage {
        let mut section = section("https://api.vonage.example");
        section.as_object_mut().unwrap().retain(|key, _| key != "kind" && key != "name");
        Vonage::new(&serde_json::from_value(section).unwrap(), &test_servers::common("vonage", Channel::Sms)).unwrap()
    }

    #[tokio::test]
    async fn a_message_is_posted_with_its_ttl_in_seconds() {
        let answer = test_servers::http_answer("202 Accepted", &[], r#"{"message_uuid":"u-1"}"#);
        let (url, received) = test_servers::http(answer).await;

        let outcome = test_servers::connect(section(&url)).send(&test_servers::sms("Kod 0042")).await.outcome;

        assert_eq!(outcome, Outcome::accepted(Reference::new("u-1")));
        let request = received.all().concat();
        assert!(request.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: Basic a2V5Omh1c2g=\r\n"), "{request}");
        let body: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(
            body,
            json!({ "channel": "sms", "message_type": "text", "to": "48600100200", "from": "BANK", "text": "Kod 0042",
                    "client_ref": test_servers::delivery(), "ttl": 299,
                    "webhook_url": "https://bank.example/receipts/vonage" })
        );
    }

    #[test]
    fn every_documented_answer_has_an_outcome() {
        let error =
            |code: &str| format!(r#"{{"type":"https://developer.vonage.com/api-errors/messages#{code}","title":"T"}}"#);
        for (status, body, outcome) in [
            (202, r#"{"message_uuid":"u-1"}"#.to_owned(), Outcome::accepted(Reference::new("u-1"))),
            (200, "<html>".to_owned(), Outcome::unknown(Cause::Unclassified)),
            (422, error("1170"), Outcome::rejected(Cause::InvalidContact)),
            (422, error("1090"), Outcome::rejected(Cause::BadMessage)),
            (422, error("1120"), Outcome::deferred(Cause::Account)),
            (422, error("1320"), Outcome::accepted(None)),
            (402, error("low-balance"), Outcome::deferred(Cause::Account)),
            (401, error("unauthorized"), Outcome::deferred(Cause::Unauthorized)),
            (429, error("1000"), Outcome::deferred(Cause::Throttled)),
            (422, error("1150x"), Outcome::deferred(Cause::Unclassified)),
            (500, String::new(), Outcome::deferred(Cause::ProviderDown)),
        ] {
            assert_eq!(vonage().outcome(StatusCode::from_u16(status).unwrap(), body.as_bytes()), outcome, "{body}");
        }
        assert_eq!(vonage().error_code(error("1120").as_bytes()).as_deref(), Some("1120"));
    }

    #[test]
    fn a_secret_for_receipts_is_needed_to_ask_for_them() {
        let settings =
            json!({ "api_key": "k", "api_secret": "s", "sender": "B", "receipts_url": "https://bank.example/r" });
        let common = test_servers::common("vonage", Channel::Sms);
        let error = Vonage::new(&serde_json::from_value(settings).unwrap(), &common).err().unwrap();
        assert_eq!(
            error.to_string(),
            "provider vonage: signature_secret: expected, because receipts_url asks for receipts"
        );
    }

    fn token(algorithm: &str, body: &str, secret: &str, at: i64) -> String {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({ "iat": at, "iss": "Vonage", "payload_hash": hex::encode(sha256(body.as_bytes())) });
        let signed = format!("{}.{}", part(json!({ "alg": algorithm, "typ": "JWT" })), part(claims));
        let secret = Credential::new(secret.to_owned());
        let signature = hmac(MessageDigest::sha256(), secret.expose().as_bytes(), &[signed.as_bytes()]).unwrap();
        format!("Bearer {signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn read(token: &str, body: &str) -> Result<ReceiptBatch, ReceiptRejection> {
        let header = |name: &str| (name == "Authorization").then_some(token.as_bytes());
        let now = Timestamp::from_micros(NOW * 1_000_000);
        vonage().receipts(&Callback { header: &header, query: "", body: body.as_bytes(), now })
    }

    #[test]
    fn a_receipt_is_read_when_its_token_signs_its_body() {
        let receipt = |status: &str, error: Value| {
            let body =
                json!({ "message_uuid": "u-1", "status": status, "error": error, "client_ref": "r" }).to_string();
            let batch = read(&token("HS256", &body, "sign-0", NOW), &body).unwrap();
            batch.receipts.first().map(|it| (it.status, it.code.as_ref().unwrap().as_str().to_owned()))
        };
        let is = |status, code: &str| Some((status, code.to_owned()));
        assert_eq!(receipt("delivered", Value::Null), is(ReceiptStatus::Delivered, "delivered"));
        assert_eq!(receipt("rejected", json!({ "title": 1240 })), is(ReceiptStatus::Undelivered, "rejected 1240"));
        assert_eq!(
            receipt("undeliverable", json!({ "title": "1360" })),
            is(ReceiptStatus::Expired, "undeliverable 1360")
        );
        assert_eq!(receipt("submitted", Value::Null), None);
    }

    #[test]
    fn a_receipt_with_a_wrong_token_is_rejected() {
        let (body, other) = (r#"{"message_uuid":"u-1","status":"delivered"}"#, r#"{"message_uuid":"u-2"}"#);
        for (token, rejection) in [
            (String::new(), ReceiptRejection::Unsigned),
            (token("HS256", body, "other", NOW), ReceiptRejection::Unsigned),
            (token("none", body, "sign-0", NOW), ReceiptRejection::Unsigned),
            (token("HS256", other, "sign-0", NOW), ReceiptRejection::Unsigned),
            (token("HS256", body, "sign-0", NOW - 301), ReceiptRejection::Untimely),
        ] {
            assert_eq!(read(&token, body), Err(rejection));
        }
        assert_eq!(read(&token("HS256", "{}", "sign-0", NOW), "{}"), Err(ReceiptRejection::Malformed));
    }
}
