//! Receipts of any provider that posts JSON or a form and proves itself by an HMAC or a token in a header.
//!
//! The signature first, over the bytes as they came; nothing of a body is read before. It never says why a signature
//! is wrong, and compares in constant time. Not for providers that sign the URL they call or with a certificate.

use std::time::Duration;

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sha::sha256;
use openssl::sign::Signer;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Error;
use super::http::scalar;
use crate::domain::clock::Timestamp;
use crate::domain::outcome::Reference;
use crate::domain::receipt::{Callback, Receipt, ReceiptRejection, ReceiptStatus};
use crate::domain::secret::Credential;

/// How far a signed time may be from ours; a callback is repeated sooner than this, or signed anew.
const TIME_APART: Duration = Duration::from_mins(5);

/// A shorter secret can be guessed from one signed callback.
const SECRET_MIN: usize = 16;

/// Fields in a form. Real receipts have two dozen.
const FIELDS_MAX: usize = 256;

/// `receipt` of a `[[provider]]`: how it reports what became of a message, and what proves that it is the provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What only the provider and we know.
    pub secret: Credential,
    /// How the secret is used.
    #[serde(default)]
    pub signature: Signature,
    /// The header that holds the signature or the token.
    #[serde(default = "signature_header")]
    pub header: String,
    /// The header that holds the signed time in seconds since 1970; empty when none is signed.
    #[serde(default)]
    pub timestamp_header: String,
    /// JSON pointer (RFC 6901) to the message: our reference, or the id from the provider's answer.
    #[serde(default = "reference_pointer")]
    pub reference: String,
    /// JSON pointer to what became of it.
    #[serde(default = "status_pointer")]
    pub status: String,
    /// JSON pointer to an array of receipts, when several come in one body; the others then start at each of them.
    #[serde(default)]
    pub list: Option<String>,
    /// The provider's words for: it arrived.
    #[serde(default = "delivered_words")]
    pub delivered: Vec<String>,
    /// For: it did not, and never will.
    #[serde(default = "undelivered_words")]
    pub undelivered: Vec<String>,
    /// For: its validity passed first.
    #[serde(default = "expired_words")]
    pub expired: Vec<String>,
}

/// How a callback proves where it comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Signature {
    /// HMAC-SHA-256 (RFC 2104) over the time, a dot and the body, or the body alone; hexadecimal or base64.
    #[default]
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    /// The secret itself, the same each time.
    #[serde(rename = "token")]
    Token,
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

// The words of SMPP 3.4 (appendix B), which most gateways hand through, and of those who do not.
fn delivered_words() -> Vec<String> {
    ["DELIVRD", "delivered"].map(String::from).into()
}

fn undelivered_words() -> Vec<String> {
    ["UNDELIV", "REJECTD", "DELETED", "undelivered", "rejected", "failed"].map(String::from).into()
}

fn expired_words() -> Vec<String> {
    ["EXPIRED", "expired"].map(String::from).into()
}

/// Reads the receipts of one provider.
pub struct ReceiptParser {
    settings: Settings,
}

impl ReceiptParser {
    /// Reads by `settings` of the provider `name`.
    pub(super) fn new(name: &str, settings: &Settings) -> Result<Self, Error> {
        let wrong = |what: &str| Err(Error::new(name, format!("receipt.{what}")));
        let Settings { secret, signature, header, timestamp_header, reference, status, list, .. } = settings;
        if secret.expose().len() < SECRET_MIN {
            return wrong("secret: expected at least 16 characters");
        }
        let is_header = |name: &str| reqwest::header::HeaderName::try_from(name).is_ok();
        if !is_header(header) {
            return wrong("header: expected the name of a header");
        }
        if !timestamp_header.is_empty() && (!is_header(timestamp_header) || *signature == Signature::Token) {
            return wrong("timestamp_header: expected the name of a header, and a signature that covers it");
        }
        if [Some(reference), Some(status), list.as_ref()].into_iter().flatten().any(|at| !at.starts_with('/')) {
            return wrong("reference, status and list: expected JSON pointers such as /id");
        }
        if settings.delivered.is_empty() {
            return wrong("delivered: expected at least one word");
        }
        Ok(Self { settings: settings.clone() })
    }

    /// The receipts in a callback whose signature is good. Empty when they say nothing final.
    pub fn read(&self, callback: &Callback<'_>) -> Result<Vec<Receipt>, ReceiptRejection> {
        let signed_at = self.check(callback)?;
        let document = document(callback).ok_or(ReceiptRejection::Malformed)?;
        let at = signed_at.unwrap_or(callback.now);
        let each: Vec<&Value> = match &self.settings.list {
            None => vec![&document],
            Some(list) => {
                document.pointer(list).and_then(Value::as_array).ok_or(ReceiptRejection::Malformed)?.iter().collect()
            }
        };
        let read = each.into_iter().map(|item| self.receipt(item, at));
        Ok(read.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    // Nothing when its word is not final.
    fn receipt(&self, item: &Value, at: Timestamp) -> Result<Option<Receipt>, ReceiptRejection> {
        let Settings { delivered, undelivered, expired, .. } = &self.settings;
        let text = |pointer: &str| item.pointer(pointer).and_then(scalar).ok_or(ReceiptRejection::Malformed);
        let reference = Reference::new(&text(&self.settings.reference)?).ok_or(ReceiptRejection::Malformed)?;
        let word = text(&self.settings.status)?;
        let meanings = [
            (delivered, ReceiptStatus::Delivered),
            (undelivered, ReceiptStatus::Undelivered),
            (expired, ReceiptStatus::Expired),
        ];
        let meaning = meanings.into_iter().find(|(words, _)| words.contains(&word));
        Ok(meaning.map(|(_, status)| Receipt { reference, status, at }))
    }

    fn check(&self, callback: &Callback<'_>) -> Result<Option<Timestamp>, ReceiptRejection> {
        let Settings { secret, signature, header, timestamp_header, .. } = &self.settings;
        let shown = (callback.header)(header).ok_or(ReceiptRejection::Unsigned)?;
        let time = match timestamp_header.as_str() {
            "" => None,
            header => Some((callback.header)(header).ok_or(ReceiptRejection::Untimely)?),
        };
        let good = match signature {
            // Hashed first, so that the comparison does not tell the length either.
            Signature::Token => openssl::memcmp::eq(&sha256(shown), &sha256(secret.expose().as_bytes())),
            Signature::HmacSha256 => {
                let expected = hmac(secret, time, callback.body).ok_or(ReceiptRejection::Unsigned)?;
                let shown = decoded(shown).ok_or(ReceiptRejection::Unsigned)?;
                shown.len() == expected.len() && openssl::memcmp::eq(&shown, &expected)
            }
        };
        if !good {
            return Err(ReceiptRejection::Unsigned);
        }
        time.map(|time| timely(time, callback.now)).transpose()
    }
}

fn hmac(secret: &Credential, time: Option<&[u8]>, body: &[u8]) -> Option<Vec<u8>> {
    let key = PKey::hmac(secret.expose().as_bytes()).ok()?;
    let mut signer = Signer::new(MessageDigest::sha256(), &key).ok()?;
    if let Some(time) = time {
        signer.update(time).ok()?;
        signer.update(b".").ok()?;
    }
    signer.update(body).ok()?;
    signer.sign_to_vec().ok()
}

fn decoded(shown: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(shown).ok()?.trim();
    let text = text.strip_prefix("sha256=").unwrap_or(text);
    let hexadecimal = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if !hexadecimal {
        return openssl::base64::decode_block(text).ok();
    }
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(pair).collect()
}

fn timely(time: &[u8], now: Timestamp) -> Result<Timestamp, ReceiptRejection> {
    let seconds = std::str::from_utf8(time).ok().and_then(|text| text.trim().parse::<i64>().ok());
    let micros = seconds.and_then(|seconds| seconds.checked_mul(1_000_000)).ok_or(ReceiptRejection::Untimely)?;
    let at = Timestamp::from_micros(micros);
    if now.since(at).max(at.since(now)) > TIME_APART { Err(ReceiptRejection::Untimely) } else { Ok(at) }
}

fn document(callback: &Callback<'_>) -> Option<Value> {
    let media = (callback.header)("Content-Type").unwrap_or_default().to_ascii_lowercase();
    if media.starts_with(b"application/x-www-form-urlencoded") {
        return form(callback.body);
    }
    serde_json::from_slice(callback.body).ok().filter(|value: &Value| value.is_object() || value.is_array())
}

fn form(body: &[u8]) -> Option<Value> {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        // A field that stands there twice could be read in two ways.
        if fields.len() == FIELDS_MAX || fields.insert(name.into_owned(), value.into_owned().into()).is_some() {
            return None;
        }
    }
    Some(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
    const BODY: &str = r#"{"reference":"m-1","status":"DELIVRD"}"#;
    // printf '%s' '1800000000.{"reference":"m-1","status":"DELIVRD"}' | openssl dgst -sha256 -hmac 0123…cdef
    const SIGNED: &str = "89d2803210878fc385efcfc830428ddaeeb49a90db776217e4af08957b435107";

    fn reader(mut given: Value) -> ReceiptParser {
        given["secret"] = SECRET.into();
        ReceiptParser::new("primary", &serde_json::from_value(given).unwrap()).unwrap()
    }

    fn timed() -> ReceiptParser {
        reader(json!({ "timestamp_header": "X-Time" }))
    }

    fn token(given: Value) -> ReceiptParser {
        let mut given = given;
        given["signature"] = "token".into();
        given["header"] = "X-Token".into();
        reader(given)
    }

    fn read(
        reader: &ReceiptParser,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Vec<(String, ReceiptStatus)>, ReceiptRejection> {
        let header = |name: &str| {
            let held = headers.iter().find(|(held, _)| held.eq_ignore_ascii_case(name));
            held.map(|(_, value)| value.as_bytes())
        };
        let receipts = reader.read(&Callback { header: &header, body: body.as_bytes(), now: NOW })?;
        Ok(receipts.into_iter().map(|it| (it.reference.as_str().to_owned(), it.status)).collect())
    }

    fn delivered() -> Vec<(String, ReceiptStatus)> {
        vec![("m-1".to_owned(), ReceiptStatus::Delivered)]
    }

    #[test]
    fn a_signature_that_openssl_made_is_good_and_any_other_is_not() {
        let with = |signature: &str| read(&timed(), &[("x-signature", signature), ("x-time", "1800000000")], BODY);
        assert_eq!(with(SIGNED), Ok(delivered()));
        assert_eq!(with(&format!("sha256={}", SIGNED.to_uppercase())), Ok(delivered()));
        assert_eq!(with(&openssl::base64::encode_block(&decoded(SIGNED.as_bytes()).unwrap())), Ok(delivered()));
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
            let signature = hmac(&key, Some(time.as_bytes()), BODY.as_bytes()).unwrap();
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
    fn bodies_are_json_or_forms_and_several_may_come_at_once() {
        let say = |reader: &ReceiptParser, media: &str, body: &str| {
            read(reader, &[("x-token", SECRET), ("content-type", media)], body)
        };
        let plain = token(json!({ "reference": "/id", "status": "/stat", "undelivered": ["405"] }));
        let form = "application/x-www-form-urlencoded";
        let one = |reference: &str, status| Ok(vec![(reference.to_owned(), status)]);
        assert_eq!(say(&plain, form, "id=a%2B1&stat=DELIVRD&x=1"), one("a+1", ReceiptStatus::Delivered));
        assert_eq!(say(&plain, "", r#"{"id":77,"stat":405}"#), one("77", ReceiptStatus::Undelivered));
        assert_eq!(say(&plain, "application/json", r#"{"id":"a","stat":"EXPIRED"}"#), one("a", ReceiptStatus::Expired));
        assert_eq!(say(&plain, "application/json", r#"{"id":"a","stat":"BUFFERED"}"#), Ok(vec![]));
        let many = token(json!({ "list": "/results", "reference": "/messageId", "status": "/status/name" }));
        let body = r#"{"results":[{"messageId":"a","status":{"name":"delivered"}},
                                  {"messageId":"b","status":{"name":"failed"}}]}"#;
        let two = vec![("a".to_owned(), ReceiptStatus::Delivered), ("b".to_owned(), ReceiptStatus::Undelivered)];
        assert_eq!(say(&many, "application/json", body), Ok(two));
    }

    #[test]
    fn what_is_no_receipt_is_malformed_once_its_signature_is_good() {
        let plain = token(json!({}));
        let bomb = (0..=FIELDS_MAX).map(|n| format!("a{n}=1")).collect::<Vec<_>>().join("&");
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
            (form, &format!("reference=a&status=DELIVRD&{bomb}")),
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
    fn a_mistake_in_the_settings_is_told_by_its_key() {
        let said = |given: Value| {
            let settings = serde_json::from_value(given).unwrap();
            ReceiptParser::new("primary", &settings).err().map(|error| error.to_string()).unwrap()
        };
        assert_eq!(
            said(json!({ "secret": "short" })),
            "provider primary: receipt.secret: expected at least 16 characters"
        );
        assert!(said(json!({ "secret": SECRET, "header": "X Y" })).contains("receipt.header: "));
        let untimed = json!({ "secret": SECRET, "signature": "token", "timestamp_header": "X-Time" });
        assert!(said(untimed).contains("receipt.timestamp_header: "));
        assert!(said(json!({ "secret": SECRET, "status": "status" })).contains("JSON pointers"));
    }
}
