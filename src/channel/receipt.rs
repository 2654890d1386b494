//! Delivery receipts that arrive as JSON, a form or a query, authenticated by an HMAC or a token.
//!
//! The signature is checked first, over the bytes as they were received; nothing of a body is parsed before. Comparisons
//! take constant time, and a rejection does not say what was wrong with a signature. Providers that sign the URL or use a
//! client certificate need a parser of their own.

use std::time::Duration;

use openssl::hash::MessageDigest;
use openssl::sha::sha256;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Error;
use super::hmac::is_hmac;
use super::http::answer::scalar;
use super::receipts_url::has_token;
use crate::domain::clock::Timestamp;
use crate::domain::outcome::Reference;
use crate::domain::receipt::{Callback, Receipt, ReceiptBatch, ReceiptCode, ReceiptRejection, ReceiptStatus};
use crate::domain::secret::Credential;

/// The longest accepted difference between a signed time and ours. Providers repeat a callback sooner, or sign it again.
const CLOCK_SKEW_MAX: Duration = Duration::from_mins(5);

/// A shorter secret can be guessed from one signed callback.
const SECRET_MIN: usize = 16;

/// The byte order mark of UTF-8, which some gateways put before a body.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// `receipt` of a `[[provider]]`: how the provider reports delivery, and how its callbacks are authenticated.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The shared secret.
    pub secret: Credential,
    #[serde(default)]
    pub signature: Signature,
    /// The header that contains the signature or the token.
    #[serde(default = "signature_header")]
    pub header: String,
    /// The header that contains the signed time in seconds since 1970; empty when the time is not signed.
    #[serde(default)]
    pub timestamp_header: String,
    /// JSON pointer (RFC 6901) to the message reference: our reference, or the id from the provider's answer.
    #[serde(default = "reference_pointer")]
    pub reference: String,
    /// JSON pointer to the delivery status.
    #[serde(default = "status_pointer")]
    pub status: String,
    /// JSON pointer to an array of receipts, when one body contains several. The other pointers then start at each item.
    #[serde(default)]
    pub list: Option<String>,
    /// The statuses that mean: delivered.
    #[serde(default = "delivered_statuses")]
    pub delivered: Vec<String>,
    /// The statuses that mean: failed permanently.
    #[serde(default = "undelivered_statuses")]
    pub undelivered: Vec<String>,
    /// The statuses that mean: the validity passed before the message was delivered.
    #[serde(default = "expired_statuses")]
    pub expired: Vec<String>,
}

/// How a callback is authenticated. An HMAC (RFC 2104) is over the time, a dot and the body, or over the body alone; hexadecimal
/// or base64.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Signature {
    #[default]
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    #[serde(rename = "hmac-sha512")]
    HmacSha512,
    #[serde(rename = "hmac-sha1")]
    HmacSha1,
    /// The secret itself in the header, the same each time.
    #[serde(rename = "token")]
    Token,
    /// The secret itself as `token` in the query of the URL that the provider calls.
    #[serde(rename = "query")]
    Query,
}

impl Signature {
    /// The hash of an HMAC.
    fn digest(self) -> Option<MessageDigest> {
        match self {
            Self::HmacSha256 => Some(MessageDigest::sha256()),
            Self::HmacSha512 => Some(MessageDigest::sha512()),
            Self::HmacSha1 => Some(MessageDigest::sha1()),
            Self::Token | Self::Query => None,
        }
    }
}

fn signature_header() -> String {
    "X-Signature".to_owned()
}

fn reference_pointer() -> String {
    "/reference".to_owned()
}

fn status_pointer() -> String {
    "/status".to_owned()
}

// The statuses of SMPP 3.4 (appendix B), which most gateways pass on, and the common plain ones.
fn delivered_statuses() -> Vec<String> {
    ["DELIVRD", "delivered"].map(String::from).into()
}

fn undelivered_statuses() -> Vec<String> {
    ["UNDELIV", "REJECTD", "DELETED", "undelivered", "rejected", "failed"].map(String::from).into()
}

fn expired_statuses() -> Vec<String> {
    ["EXPIRED", "expired"].map(String::from).into()
}

/// Checks and parses the receipts of one provider.
pub struct ReceiptParser {
    settings: Settings,
}

/// The receipts in a callback to a provider with `parser`. Without one, no callback is authentic.
pub(super) fn parse(parser: Option<&ReceiptParser>, callback: &Callback<'_>) -> Result<ReceiptBatch, ReceiptRejection> {
    parser.ok_or(ReceiptRejection::Unsigned)?.parse(callback)
}

impl ReceiptParser {
    /// The parser for the provider `name`, if receipts are configured for it.
    pub(super) fn configured(name: &str, settings: Option<&Settings>) -> Result<Option<Self>, Error> {
        settings.map(|settings| Self::new(name, settings)).transpose()
    }

    fn new(name: &str, settings: &Settings) -> Result<Self, Error> {
        let wrong = |what: &str| Err(Error::new(name, format!("receipt.{what}")));
        let Settings { secret, signature, header, timestamp_header, reference, status, list, .. } = settings;
        if secret.expose().len() < SECRET_MIN {
            return wrong("secret: expected at least 16 characters");
        }
        let is_header = |name: &str| reqwest::header::HeaderName::try_from(name).is_ok();
        if !is_header(header) {
            return wrong("header: expected the name of a header");
        }
        if !timestamp_header.is_empty() && (!is_header(timestamp_header) || signature.digest().is_none()) {
            return wrong("timestamp_header: expected the name of a header, and a signature that covers it");
        }
        if [Some(reference), Some(status), list.as_ref()].into_iter().flatten().any(|at| !at.starts_with('/')) {
            return wrong("reference, status and list: expected JSON pointers such as /id");
        }
        if settings.delivered.is_empty() {
            return wrong("delivered: expected at least one status");
        }
        Ok(Self { settings: settings.clone() })
    }

    // One item that cannot be read does not refuse the others: the provider would send all of them again.
    fn parse(&self, callback: &Callback<'_>) -> Result<ReceiptBatch, ReceiptRejection> {
        let signed_at = self.authenticate(callback)?;
        let document = self.document(callback).ok_or(ReceiptRejection::Malformed)?;
        let at = signed_at.unwrap_or(callback.now);
        let items: Vec<&Value> = match &self.settings.list {
            None => vec![&document],
            Some(list) => {
                document.pointer(list).and_then(Value::as_array).ok_or(ReceiptRejection::Malformed)?.iter().collect()
            }
        };
        let mut batch = ReceiptBatch::default();
        for item in &items {
            match self.receipt(item, at) {
                Ok(receipt) => batch.receipts.extend(receipt),
                Err(_) => batch.unreadable += 1,
            }
        }
        batch.of(items.len())
    }

    /// `None` when the status is not final.
    fn receipt(&self, item: &Value, at: Timestamp) -> Result<Option<Receipt>, ReceiptRejection> {
        let Settings { delivered, undelivered, expired, .. } = &self.settings;
        let text = |pointer: &str| item.pointer(pointer).and_then(scalar).ok_or(ReceiptRejection::Malformed);
        let reference = Reference::new(&text(&self.settings.reference)?).ok_or(ReceiptRejection::Malformed)?;
        let written = text(&self.settings.status)?;
        let table = [
            (delivered, ReceiptStatus::Delivered),
            (undelivered, ReceiptStatus::Undelivered),
            (expired, ReceiptStatus::Expired),
        ];
        let is_listed = |statuses: &[String]| statuses.iter().any(|it| it.eq_ignore_ascii_case(written.trim()));
        let found = table.into_iter().find(|(statuses, _)| is_listed(statuses));
        Ok(found.map(|(_, status)| Receipt { reference, status, code: ReceiptCode::new(&written), at }))
    }

    fn document(&self, callback: &Callback<'_>) -> Option<Value> {
        if callback.body.is_empty() {
            return Some(self.form(callback.query.as_bytes()));
        }
        let body = callback.body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(callback.body);
        let media = (callback.header)("Content-Type").unwrap_or_default().to_ascii_lowercase();
        if media.starts_with(b"application/x-www-form-urlencoded") {
            return Some(self.form(body));
        }
        serde_json::from_slice(body).ok().filter(|value: &Value| value.is_object() || value.is_array())
    }

    // Only the fields that are read. One that comes twice with different values is ambiguous, and becomes an array, which is
    // no text.
    fn form(&self, body: &[u8]) -> Value {
        let Settings { reference, status, .. } = &self.settings;
        let is_read = |name: &str| [reference, status].iter().any(|pointer| top_name(pointer) == name);
        let mut fields = Map::new();
        for (name, value) in form_urlencoded::parse(body).filter(|(name, _)| is_read(name)) {
            match fields.get_mut(&*name) {
                None => drop(fields.insert(name.into_owned(), Value::from(&*value))),
                Some(known) if known.as_str() == Some(&*value) => {}
                Some(known) => *known = Value::Array(Vec::new()),
            }
        }
        Value::Object(fields)
    }

    /// Checks the signature. Returns the signed time, if the time is signed.
    fn authenticate(&self, callback: &Callback<'_>) -> Result<Option<Timestamp>, ReceiptRejection> {
        let Settings { secret, signature, header, timestamp_header, .. } = &self.settings;
        if *signature == Signature::Query {
            return if has_token(callback, secret) { Ok(None) } else { Err(ReceiptRejection::Unsigned) };
        }
        let given = (callback.header)(header).ok_or(ReceiptRejection::Unsigned)?;
        let time = match timestamp_header.as_str() {
            "" => None,
            header => Some((callback.header)(header).ok_or(ReceiptRejection::Untimely)?),
        };
        let is_authentic = match signature.digest() {
            // Hashed first, so that the comparison does not reveal the length of the secret.
            None => openssl::memcmp::eq(&sha256(given), &sha256(secret.expose().as_bytes())),
            Some(digest) => {
                let given = decode_signature(given, digest.size()).ok_or(ReceiptRejection::Unsigned)?;
                let (time, dot) = time.map_or((&b""[..], &b""[..]), |time| (time, b"."));
                is_hmac(digest, secret.expose().as_bytes(), &[time, dot, callback.body], &given)
            }
        };
        if !is_authentic {
            return Err(ReceiptRejection::Unsigned);
        }
        time.map(|time| check_time(time, callback.now)).transpose()
    }
}

/// A signature of `size` bytes.
fn decode_signature(given: &[u8], size: usize) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(given).ok()?.trim();
    let text = ["sha256=", "sha512=", "sha1="].iter().find_map(|it| text.strip_prefix(it)).unwrap_or(text);
    let hexadecimal = text.len() == 2 * size && text.bytes().all(|b| b.is_ascii_hexdigit());
    if !hexadecimal {
        return openssl::base64::decode_block(text).ok();
    }
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(pair).collect()
}

fn check_time(time: &[u8], now: Timestamp) -> Result<Timestamp, ReceiptRejection> {
    let seconds = std::str::from_utf8(time).ok().and_then(|text| text.trim().parse::<i64>().ok());
    let micros = seconds.and_then(|seconds| seconds.checked_mul(1_000_000)).ok_or(ReceiptRejection::Untimely)?;
    let at = Timestamp::from_micros(micros);
    if now.since(at).max(at.since(now)) > CLOCK_SKEW_MAX { Err(ReceiptRejection::Untimely) } else { Ok(at) }
}

/// The first name of a JSON pointer, unescaped (RFC 6901, section 4).
fn top_name(pointer: &str) -> String {
    let name = pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
    name.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::hmac::hmac;
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
    const BODY: &str = r#"{"reference":"m-1","status":"DELIVRD"}"#;
    // printf '%s' '1800000000.{"reference":"m-1","status":"DELIVRD"}' | openssl dgst -sha256 -hmac 0123…cdef
    const SIGNED: &str = "89d2803210878fc385efcfc830428ddaeeb49a90db776217e4af08957b435107";

    fn parser(mut given: Value) -> ReceiptParser {
        given["secret"] = SECRET.into();
        ReceiptParser::new("primary", &serde_json::from_value(given).unwrap()).unwrap()
    }

    fn timed() -> ReceiptParser {
        parser(json!({ "timestamp_header": "X-Time" }))
    }

    fn token(given: Value) -> ReceiptParser {
        let mut given = given;
        given["signature"] = "token".into();
        given["header"] = "X-Token".into();
        parser(given)
    }

    fn read(
        parser: &ReceiptParser,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Vec<(String, ReceiptStatus)>, ReceiptRejection> {
        let header = |name: &str| {
            let found = headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.as_bytes())
        };
        let batch = parser.parse(&Callback { header: &header, query: "", body: body.as_bytes(), now: NOW })?;
        Ok(batch.receipts.into_iter().map(|it| (it.reference.as_str().to_owned(), it.status)).collect())
    }

    fn delivered() -> Vec<(String, ReceiptStatus)> {
        vec![("m-1".to_owned(), ReceiptStatus::Delivered)]
    }

    #[test]
    fn a_signature_made_by_openssl_is_accepted_and_any_other_is_rejected() {
        let with = |signature: &str| read(&timed(), &[("x-signature", signature), ("x-time", "1800000000")], BODY);
        assert_eq!(with(SIGNED), Ok(delivered()));
        assert_eq!(with(&format!("sha256={}", SIGNED.to_uppercase())), Ok(delivered()));
        assert_eq!(
            with(&openssl::base64::encode_block(&decode_signature(SIGNED.as_bytes(), 32).unwrap())),
            Ok(delivered())
        );
        for wrong in ["", "00", &SIGNED.replace('a', "b"), &SIGNED[..62], "sha256=", "é", SECRET] {
            assert_eq!(with(wrong), Err(ReceiptRejection::Unsigned), "{wrong}");
        }
        assert_eq!(read(&timed(), &[("x-time", "1800000000")], BODY), Err(ReceiptRejection::Unsigned));
        let changed = BODY.replace("m-1", "m-2");
        let changed = read(&timed(), &[("x-signature", SIGNED), ("x-time", "1800000000")], &changed);
        assert_eq!(changed, Err(ReceiptRejection::Unsigned));
    }

    #[test]
    fn a_signed_time_may_be_five_minutes_from_now_and_is_covered_by_the_signature() {
        let at = |time: &str| {
            let key = Credential::new(SECRET.to_owned());
            let signature =
                hmac(MessageDigest::sha256(), key.expose().as_bytes(), &[time.as_bytes(), b".", BODY.as_bytes()])
                    .unwrap();
            let signature = openssl::base64::encode_block(&signature);
            read(&timed(), &[("x-signature", &signature), ("x-time", time)], BODY)
        };
        assert_eq!((at("1799999700"), at("1800000300")), (Ok(delivered()), Ok(delivered())));
        for wrong in ["1799999699", "1800000301", "", "now", "-1", "9223372036854775807", "1800000000000"] {
            assert_eq!(at(wrong), Err(ReceiptRejection::Untimely), "{wrong}");
        }
        let moved = read(&timed(), &[("x-signature", SIGNED), ("x-time", "1800000001")], BODY);
        assert_eq!(moved, Err(ReceiptRejection::Unsigned));
        assert_eq!(read(&timed(), &[("x-signature", SIGNED)], BODY), Err(ReceiptRejection::Untimely));
    }

    #[test]
    fn bodies_are_json_or_forms_and_may_contain_several_receipts() {
        let receive = |parser: &ReceiptParser, media: &str, body: &str| {
            read(parser, &[("x-token", SECRET), ("content-type", media)], body)
        };
        let plain = token(json!({ "reference": "/id", "status": "/stat", "undelivered": ["405"] }));
        let form = "application/x-www-form-urlencoded";
        let one = |reference: &str, status| Ok(vec![(reference.to_owned(), status)]);
        assert_eq!(receive(&plain, form, "id=a%2B1&stat=DELIVRD&x=1"), one("a+1", ReceiptStatus::Delivered));
        assert_eq!(receive(&plain, "", r#"{"id":77,"stat":405}"#), one("77", ReceiptStatus::Undelivered));
        assert_eq!(
            receive(&plain, "application/json", r#"{"id":"a","stat":"EXPIRED"}"#),
            one("a", ReceiptStatus::Expired)
        );
        assert_eq!(receive(&plain, "application/json", r#"{"id":"a","stat":"BUFFERED"}"#), Ok(vec![]));
        let many = token(json!({ "list": "/results", "reference": "/messageId", "status": "/status/name" }));
        let body = r#"{"results":[{"messageId":"a","status":{"name":"delivered"}},
                                  {"messageId":"b","status":{"name":"failed"}}]}"#;
        let two = vec![("a".to_owned(), ReceiptStatus::Delivered), ("b".to_owned(), ReceiptStatus::Undelivered)];
        assert_eq!(receive(&many, "application/json", body), Ok(two));
    }

    #[test]
    fn one_item_that_cannot_be_read_does_not_refuse_the_others() {
        let many = token(json!({ "list": "/results" }));
        let receive = |body: &str| {
            let header = |name: &str| (name == "X-Token").then_some(SECRET.as_bytes());
            many.parse(&Callback { header: &header, query: "", body: body.as_bytes(), now: NOW })
        };
        let batch = receive(
            r#"{"results":[{"reference":"a","status":"DELIVRD"},{"reference":"b"},null,7,{"reference":"c","status":"BUFFERED"},
               {"reference":{},"status":"DELIVRD"},{"reference":"d","status":"UNDELIV","more":[1]}]}"#,
        );
        let batch = batch.unwrap();
        let references: Vec<_> = batch.receipts.iter().map(|receipt| receipt.reference.as_str()).collect();
        assert_eq!((references, batch.unreadable), (vec!["a", "d"], 4));
        assert_eq!(receive(r#"{"results":[{"reference":"b"},null]}"#), Err(ReceiptRejection::Malformed));
        assert_eq!(receive(r#"{"results":[{"reference":"c","status":"BUFFERED"},null]}"#).unwrap().unreadable, 1);
        assert_eq!(receive(r#"{"results":[]}"#), Ok(ReceiptBatch::default()));
    }

    #[test]
    fn what_does_not_matter_in_a_receipt_is_ignored() {
        let plain = token(json!({}));
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        let all = "x=1&".repeat(5000);
        for (media, body) in [
            (form, "reference=m-1&status=DELIVRD&to=1&to=2&=&&%"),
            (form, "reference=m-1&status=DELIVRD&reference=m-1"),
            (form, "\u{feff}reference=m-1&status=delivrd"),
            (form, &format!("{all}reference=m-1&status=DELIVRD")),
            ("application/json", "\u{feff}{\"reference\":\"m-1\",\"status\":\"DELIVERED\"}"),
            ("application/json", r#"{"reference":"m-1","status":" Delivered ","a":{"reference":"m-2"},"b":null}"#),
            ("text/plain", BODY),
        ] {
            assert_eq!(
                read(&plain, &[("x-token", SECRET), ("content-type", media)], body),
                Ok(delivered()),
                "{body:.60}"
            );
        }
    }

    #[test]
    fn an_authentic_callback_that_is_not_a_receipt_is_malformed() {
        let plain = token(json!({}));
        let bomb = "a=1&".repeat(10_000);
        let form = "application/x-www-form-urlencoded";
        for (media, body) in [
            ("application/json", ""),
            ("application/json", "null"),
            ("application/json", "[]"),
            ("application/json", "{}"),
            ("application/json", r#"{"reference":{},"status":"DELIVRD"}"#),
            ("application/json", r#"{"reference":"","status":"DELIVRD"}"#),
            ("application/xml", "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>"),
            (form, "reference=a&reference=b&status=DELIVRD"),
            (form, "reference=a&status=DELIVRD&status=UNDELIV"),
            (form, &bomb),
        ] {
            assert_eq!(
                read(&plain, &[("x-token", SECRET), ("content-type", media)], body),
                Err(ReceiptRejection::Malformed)
            );
            assert_eq!(read(&plain, &[("content-type", media)], body), Err(ReceiptRejection::Unsigned));
            assert_eq!(read(&plain, &[("x-token", "wrong")], body), Err(ReceiptRejection::Unsigned));
        }
    }

    #[test]
    fn a_mistake_in_the_settings_is_named_by_its_key() {
        let error = |given: Value| {
            let settings = serde_json::from_value(given).unwrap();
            ReceiptParser::new("primary", &settings).err().map(|error| error.to_string()).unwrap()
        };
        assert_eq!(
            error(json!({ "secret": "short" })),
            "provider primary: receipt.secret: expected at least 16 characters"
        );
        assert!(error(json!({ "secret": SECRET, "header": "X Y" })).contains("receipt.header: "));
        let untimed = json!({ "secret": SECRET, "signature": "token", "timestamp_header": "X-Time" });
        assert!(error(untimed).contains("receipt.timestamp_header: "));
        assert!(error(json!({ "secret": SECRET, "status": "status" })).contains("JSON pointers"));
    }
}
