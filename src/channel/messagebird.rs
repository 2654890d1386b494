//! SMS through MessageBird's REST API (Bird's, `/messages`): JSON, receipts in a query with a signed token.

use openssl::sha::sha256;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::answer::{common_outcome, reference_at};
use super::http::{self, Body, HttpRequest, max_in_flight};
use super::http::{authorization, check_public_url, check_url, seconds_valid, sms_text};
use super::sender_names::SenderNames;
use super::{
    Adapter, Capabilities, Common, Error, HttpProvider, KindSettings, ProviderEndpoint, Repeat, SendResult,
    signed_token,
};
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::domain::receipt::{Callback, Receipt, ReceiptBatch, ReceiptCode, ReceiptRejection, ReceiptStatus};
use crate::domain::secret::Credential;

/// How far clocks may differ, in seconds. A token is valid for a minute.
const SKEW: i64 = 60;

/// The keys of kind `messagebird`. The API has no field that makes a repeated request one message, so `deduplicates` stays false.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub access_key: Credential,
    /// The sender name, up to 11 letters and digits, or number.
    pub sender: SenderNames,
    /// The address of the API.
    #[serde(default = "api")]
    pub url: String,
    /// Where receipts arrive: the public URL that leads to `/receipts/NAME`. Without it there are none.
    #[serde(default)]
    pub receipts_url: Option<String>,
    /// The signing key of the account, which signs receipts.
    #[serde(default)]
    pub signing_key: Option<Credential>,
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
}

fn api() -> String {
    "https://rest.messagebird.com".to_owned()
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        http::adapter(common, self.max_in_flight, MessageBird::new(self, common)?, self.receipts_url.is_some())
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        ProviderEndpoint::of_url(&self.url)
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "`validity` in seconds",
            repeat: Repeat::Never("a second message"),
            receipts: "query; a token (JWT) that signs the URL",
            tested_against: "its Python library, for signatures; its documentation",
        }
    }
}

struct MessageBird {
    url: Url,
    headers: HeaderMap,
    sender: SenderNames,
    /// The public URL, and the key that signs what comes there.
    receipts: Option<(String, Credential)>,
}

impl MessageBird {
    fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let name = common.name();
        let receipts = match (&settings.receipts_url, &settings.signing_key) {
            (None, _) => None,
            (Some(_), None) => {
                return Err(Error::new(name, "signing_key: expected, because receipts_url asks for receipts"));
            }
            (Some(url), Some(key)) => {
                check_public_url(name, "receipts_url", url)?;
                Some((url.clone(), key.clone()))
            }
        };
        let mut url = check_url(name, &settings.url)?;
        url.set_path("/messages");
        let headers = HeaderMap::from_iter([authorization(name, "access_key", "AccessKey", &settings.access_key)?]);
        Ok(Self { url, headers, sender: settings.sender.clone(), receipts })
    }

    /// The token names the URL with its query, the body if there is one, and its own time.
    fn authenticate(&self, callback: &Callback<'_>) -> Result<(), ReceiptRejection> {
        let (url, key) = self.receipts.as_ref().ok_or(ReceiptRejection::Unsigned)?;
        let claims = (callback.header)("MessageBird-Signature-JWT")
            .and_then(|token| signed_token::claims(std::str::from_utf8(token).ok()?, key))
            .ok_or(ReceiptRejection::Unsigned)?;
        let query = if callback.query.is_empty() { String::new() } else { format!("?{}", callback.query) };
        let is_hash = |claim: &str, of: &[u8]| claims[claim].as_str() == Some(hex::encode(sha256(of)).as_str());
        let is_body = callback.body.is_empty() || is_hash("payload_hash", callback.body);
        if claims["iss"] != "MessageBird" || !is_hash("url_hash", format!("{url}{query}").as_bytes()) || !is_body {
            return Err(ReceiptRejection::Unsigned);
        }
        let now = callback.now.seconds();
        let begins = claims["nbf"].as_i64().is_some_and(|time| time <= now + SKEW);
        let ends = claims["exp"].as_i64().is_some_and(|time| time >= now - SKEW);
        if begins && ends { Ok(()) } else { Err(ReceiptRejection::Untimely) }
    }
}

impl HttpProvider for MessageBird {
    fn request(&self, message: &OutboundMessage) -> Result<HttpRequest, SendResult> {
        let mut body = json!({
            "originator": self.sender.of(message),
            "recipients": [message.to.expose().trim_start_matches('+')],
            "body": sms_text(message),
            // Of GSM 03.38 and UCS-2, the one that fits.
            "datacoding": "auto",
            // Only messages with a reference are reported.
            "reference": message.delivery,
            "validity": seconds_valid(message),
        });
        if let Some((url, _)) = &self.receipts {
            body["reportUrl"] = url.as_str().into();
        }
        let (url, headers) = (self.url.clone(), self.headers.clone());
        Ok(HttpRequest { method: Method::POST, url, headers, body: Body::Json(body) })
    }

    fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        if status.is_success() {
            return match reference_at(&answer, "/id") {
                None => Outcome::unknown(Cause::Unclassified),
                reference => Outcome::accepted(reference),
            };
        }
        cause(&answer["errors"][0]).map_or_else(|| common_outcome(status), Outcome::failed)
    }

    fn error_code(&self, body: &[u8]) -> Option<String> {
        let error = &serde_json::from_slice::<Value>(body).ok()?["errors"][0];
        let (code, parameter) = (error["code"].as_u64()?, error["parameter"].as_str());
        Some(parameter.map_or_else(|| code.to_string(), |parameter| format!("{code} {parameter}")))
    }

    fn receipts(&self, callback: &Callback<'_>) -> Result<ReceiptBatch, ReceiptRejection> {
        self.authenticate(callback)?;
        let field = |name: &str| {
            let mut pairs = form_urlencoded::parse(callback.query.as_bytes()).filter(|(found, _)| found == name);
            pairs.next().map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
        };
        let named = field("id").or_else(|| field("reference"));
        let reference = named.as_deref().and_then(Reference::new).ok_or(ReceiptRejection::Malformed)?;
        let written = field("status").ok_or(ReceiptRejection::Malformed)?;
        let status = match written.as_str() {
            "delivered" => ReceiptStatus::Delivered,
            "delivery_failed" => ReceiptStatus::Undelivered,
            "expired" => ReceiptStatus::Expired,
            // Scheduled, sent, buffered.
            _ => return Ok(ReceiptBatch::default()),
        };
        let code = field("statusErrorCode").map_or_else(|| written.clone(), |code| format!("{written} {code}"));
        let receipt = Receipt { reference, status, code: ReceiptCode::new(&code), at: callback.now };
        Ok(ReceiptBatch { receipts: vec![receipt], unreadable: 0 })
    }
}

/// What an error means that the API documents; `None` if the status says all.
fn cause(error: &Value) -> Option<Cause> {
    Some(match (error["code"].as_u64()?, error["parameter"].as_str()) {
        (2, _) => Cause::Unauthorized,
        (9 | 10, Some("recipients" | "recipient")) => Cause::InvalidContact,
        (9 | 10, Some("body")) => Cause::BadMessage,
        (9 | 10, Some("originator")) | (25, _) => Cause::Account,
        (9 | 10 | 20 | 21, _) => Cause::Unclassified,
        (98, _) => Cause::WrongUrl,
        (99, _) => Cause::ProviderDown,
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

    const NOW: i64 = 1_800_000_000;
    const KEY: &str = "36efdd1aace2e26cd490f0d951138253";
    const URL: &str = "https://bank.example/receipts/messagebird";

    fn section(url: &str) -> Value {
        json!({ "kind": "messagebird", "name": "bird", "access_key": "k-0", "sender": "BANK", "url": url, "receipts_url": URL,
                "signing_key": KEY })
    }

    fn messagebird() -> MessageBird {
        let mut section = section("https://rest.messagebird.example");
        section.as_object_mut().unwrap().retain(|key, _| key != "kind" && key != "name");
        MessageBird::new(&serde_json::from_value(section).unwrap(), &test_servers::common("bird", Channel::Sms))
            .unwrap()
    }

    #[tokio::test]
    async fn a_message_is_posted_with_its_validity_in_seconds() {
        let (url, received) =
            test_servers::http(test_servers::http_answer("201 Created", &[], r#"{"id":"m-1"}"#)).await;

        let outcome = test_servers::connect(section(&url)).send(&test_servers::sms("Kod 0042")).await.outcome;

        assert_eq!(outcome, Outcome::accepted(Reference::new("m-1")));
        let request = received.all().concat();
        assert!(request.starts_with("POST /messages HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: AccessKey k-0\r\n"), "{request}");
        let body: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(
            body,
            json!({ "originator": "BANK", "recipients": ["48600100200"], "body": "Kod 0042", "datacoding": "auto",
                    "reference": test_servers::delivery(), "validity": 299, "reportUrl": URL })
        );
    }

    #[test]
    fn every_documented_answer_has_an_outcome() {
        let error = |code: u32, parameter: Value| json!({ "errors": [{ "code": code, "description": "no", "parameter": parameter }] });
        for (status, body, outcome) in [
            (201, json!({ "id": "m-1" }), Outcome::accepted(Reference::new("m-1"))),
            (200, json!({}), Outcome::unknown(Cause::Unclassified)),
            (401, error(2, "access_key".into()), Outcome::deferred(Cause::Unauthorized)),
            (422, error(9, "recipients".into()), Outcome::rejected(Cause::InvalidContact)),
            (422, error(10, "recipient".into()), Outcome::rejected(Cause::InvalidContact)),
            (422, error(10, "originator".into()), Outcome::deferred(Cause::Account)),
            (422, error(10, "body".into()), Outcome::rejected(Cause::BadMessage)),
            (422, error(10, "validity".into()), Outcome::deferred(Cause::Unclassified)),
            (404, error(20, Value::Null), Outcome::deferred(Cause::Unclassified)),
            (422, error(21, Value::Null), Outcome::deferred(Cause::Unclassified)),
            (422, error(25, Value::Null), Outcome::deferred(Cause::Account)),
            (405, error(98, Value::Null), Outcome::deferred(Cause::WrongUrl)),
            (500, error(99, Value::Null), Outcome::deferred(Cause::ProviderDown)),
            (429, json!({}), Outcome::deferred(Cause::Throttled)),
        ] {
            let found = messagebird().outcome(StatusCode::from_u16(status).unwrap(), body.to_string().as_bytes());
            assert_eq!(found, outcome, "{body}");
        }
        let code = |body: Value| messagebird().error_code(body.to_string().as_bytes());
        assert_eq!(code(error(10, "originator".into())).as_deref(), Some("10 originator"));
        assert_eq!(code(error(25, Value::Null)).as_deref(), Some("25"));
    }

    fn token(claims: &Value) -> String {
        let parts = [json!({ "alg": "HS256", "typ": "JWT" }), claims.clone()];
        let signed = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = hmac(MessageDigest::sha256(), KEY.as_bytes(), &[signed.as_bytes()]).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn read(query: &str, token: &str) -> Result<ReceiptBatch, ReceiptRejection> {
        let header = |name: &str| (name == "MessageBird-Signature-JWT").then_some(token.as_bytes());
        let now = Timestamp::from_micros(NOW * 1_000_000);
        messagebird().receipts(&Callback { header: &header, query, body: b"", now })
    }

    fn claims(query: &str) -> Value {
        let hash = hex::encode(sha256(format!("{URL}?{query}").as_bytes()));
        json!({ "iss": "MessageBird", "nbf": NOW, "exp": NOW + 60, "jti": "1", "url_hash": hash })
    }

    #[test]
    fn a_receipt_is_read_from_the_query_that_the_token_signs() {
        for (status, expected) in [
            ("delivered", Some(ReceiptStatus::Delivered)),
            ("delivery_failed", Some(ReceiptStatus::Undelivered)),
            ("expired", Some(ReceiptStatus::Expired)),
            ("sent", None),
            ("buffered", None),
            ("scheduled", None),
        ] {
            let query = format!("id=m-1&reference=r-1&recipient=48600100200&status={status}&statusErrorCode=104");
            let receipt = read(&query, &token(&claims(&query))).unwrap().receipts.pop();
            assert_eq!(receipt.as_ref().map(|it| it.status), expected, "{status}");
            let code = receipt.map(|it| (it.reference.as_str().to_owned(), it.code.unwrap().as_str().to_owned()));
            assert_eq!(code, expected.map(|_| ("m-1".to_owned(), format!("{status} 104"))));
        }
        assert_eq!(read("a=b", &token(&claims("a=b"))), Err(ReceiptRejection::Malformed));
    }

    #[test]
    fn a_token_of_another_url_time_issuer_or_key_is_refused() {
        let query = "id=m-1&status=delivered";
        let with = |key: &str, value: Value| {
            let mut claims = claims(query);
            claims[key] = value;
            read(query, &token(&claims)).unwrap_err()
        };
        assert_eq!(with("iss", "Bird".into()), ReceiptRejection::Unsigned);
        assert_eq!(with("url_hash", claims("id=m-1&status=expired")["url_hash"].take()), ReceiptRejection::Unsigned);
        assert_eq!(with("nbf", (NOW + 61).into()), ReceiptRejection::Untimely);
        assert_eq!(with("exp", (NOW - 61).into()), ReceiptRejection::Untimely);
        assert_eq!(with("exp", Value::Null), ReceiptRejection::Untimely);
        let good = token(&claims(query));
        assert_eq!(read(query, &good[..good.len() - 2]), Err(ReceiptRejection::Unsigned));
        assert_eq!(read(query, ""), Err(ReceiptRejection::Unsigned));
    }

    #[test]
    fn receipts_need_the_key_that_signs_them() {
        let mut without = section("https://rest.messagebird.example");
        without.as_object_mut().unwrap().remove("signing_key");
        let settings: super::super::Settings = serde_json::from_value(without).unwrap();
        let error = settings.connect().err().unwrap().to_string();
        assert_eq!(error, "provider bird: signing_key: expected, because receipts_url asks for receipts");
    }
}
