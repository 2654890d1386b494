//! What an answer of an HTTP provider means: its status, the provider's own codes, and what proves a success. An answer is JSON
//! or XML; pointers lead into both.
//!
//! Pure. Only what is surely about one message is final; the guide "Providers and routing" has the table.

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::xml;
use crate::channel::Error;
use crate::domain::outcome::{Cause, Outcome, Reference};

/// The JSON pointer to the message id if none is configured.
const REFERENCE_PATH: &str = "/id";

/// `errors` of a provider: the meaning of the codes in its answers. A code that is listed here takes precedence over the
/// status.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnswerCodes {
    /// JSON pointer to the code: a string, a number or a boolean.
    pub path: String,
    /// The number or the token does not exist, or cannot receive messages.
    #[serde(rename = "invalid_number", alias = "invalid_token")]
    pub invalid_contact: Vec<String>,
    /// The number or the token does not exist any more, for certain: the contact is retired.
    pub gone: Vec<String>,
    /// Too many requests, or a quota that is renewed later.
    pub throttled: Vec<String>,
    /// The text is not allowed.
    pub rejected: Vec<String>,
    /// The account may not send: no balance, suspended, sender not allowed. Deferred, with an alarm.
    pub account: Vec<String>,
    /// What success looks like; without it, every 2xx that is no error is one.
    pub ok: Option<SuccessCodes>,
}

/// `errors.ok`: the values that prove a success.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuccessCodes {
    /// JSON pointer to the value; that of `errors` when absent.
    #[serde(default)]
    pub path: Option<String>,
    pub values: Vec<String>,
}

/// How the answers of one provider are read.
pub(in crate::channel) struct AnswerRules {
    codes: AnswerCodes,
    reference_path: String,
    require_reference: bool,
}

impl AnswerRules {
    /// The rules of the provider `name`. A reference is required if its path is configured, unless `errors.ok` says what a
    /// success looks like.
    pub(in crate::channel) fn new(
        name: &str,
        codes: Option<&AnswerCodes>,
        reference_path: Option<&str>,
        require_reference: Option<bool>,
    ) -> Result<Self, Error> {
        let codes = codes.cloned().unwrap_or_default();
        let is_pointer = |path: &str| path.starts_with('/');
        let AnswerCodes { path, invalid_contact, gone, throttled, rejected, account, ok } = &codes;
        let has_codes = [invalid_contact, gone, throttled, rejected, account].iter().any(|codes| !codes.is_empty());
        if (has_codes || !path.is_empty()) && !is_pointer(path) {
            return Err(Error::new(name, "errors.path: expected a JSON pointer such as /error/code"));
        }
        if let Some(SuccessCodes { path: own, values }) = ok {
            if !is_pointer(own.as_deref().unwrap_or(path)) {
                return Err(Error::new(name, "errors.ok.path: expected a JSON pointer such as /status"));
            }
            if values.is_empty() {
                return Err(Error::new(name, "errors.ok.values: expected at least one value, such as \"0\""));
            }
        }
        if reference_path.is_some_and(|path| !is_pointer(path)) {
            return Err(Error::new(name, "reference_path: expected a JSON pointer such as /id"));
        }
        let require_reference = require_reference.unwrap_or(reference_path.is_some() && ok.is_none());
        let reference_path = reference_path.unwrap_or(REFERENCE_PATH).to_owned();
        Ok(Self { codes, reference_path, require_reference })
    }

    /// The outcome of an answer.
    pub(in crate::channel) fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome {
        let answer = read(body);
        match self.listed(&answer) {
            Some(cause) => Outcome::failed(cause),
            None if status.is_success() => self.success(&answer, body),
            None => common_outcome(status),
        }
    }

    /// The provider's own error code in an answer.
    pub(in crate::channel) fn code(&self, body: &[u8]) -> Option<String> {
        code_at(&read(body), &self.codes.path)
    }

    fn listed(&self, answer: &Value) -> Option<Cause> {
        let code = code_at(answer, &self.codes.path)?;
        let AnswerCodes { invalid_contact, gone, throttled, rejected, account, .. } = &self.codes;
        let table = [
            (gone, Cause::ContactGone),
            (invalid_contact, Cause::InvalidContact),
            (throttled, Cause::Throttled),
            (rejected, Cause::BadMessage),
            (account, Cause::Account),
        ];
        table.into_iter().find(|(codes, _)| contains(codes, &code)).map(|(_, cause)| cause)
    }

    // A page and a value other than success are no acceptance: the message was not sent. An answer without the value or the
    // reference that it should have says nothing: the message may have been sent.
    fn success(&self, answer: &Value, body: &[u8]) -> Outcome {
        if is_web_page(body) {
            return Outcome::failed(Cause::WrongUrl);
        }
        if let Some(SuccessCodes { path, values }) = &self.codes.ok {
            match code_at(answer, path.as_deref().unwrap_or(&self.codes.path)) {
                None => return Outcome::unknown(Cause::Unclassified),
                Some(value) if !contains(values, &value) => return Outcome::failed(Cause::Unclassified),
                Some(_) => {}
            }
        }
        match reference_at(answer, &self.reference_path) {
            None if self.require_reference => Outcome::unknown(Cause::Unclassified),
            reference => Outcome::accepted(reference),
        }
    }
}

/// The outcome of a status other than success, for providers that use statuses as HTTP defines them.
pub(in crate::channel) fn common_outcome(status: StatusCode) -> Outcome {
    match status.as_u16() {
        // The text is too long, whatever the account.
        413 => Outcome::failed(Cause::BadMessage),
        401 | 403 | 407 => Outcome::failed(Cause::Unauthorized),
        402 => Outcome::failed(Cause::Account),
        300..=399 | 404 | 405 | 410 | 421 => Outcome::failed(Cause::WrongUrl),
        408 | 425 | 429 => Outcome::failed(Cause::Throttled),
        // A gateway or a proxy passed the request on and lost the answer; 520 and 524 are Cloudflare's.
        502 | 520 => Outcome::unknown(Cause::Disconnected),
        504 | 524 => Outcome::unknown(Cause::TimedOut),
        500..=599 => Outcome::failed(Cause::ProviderDown),
        _ => Outcome::failed(Cause::Unclassified),
    }
}

/// The provider's reference: the string or number at the JSON pointer `pointer` of an answer.
pub(in crate::channel) fn reference_at(answer: &Value, pointer: &str) -> Option<Reference> {
    scalar(answer.pointer(pointer)?).as_deref().and_then(Reference::new)
}

/// A string or a number as text. Gateways use either for codes and ids.
pub(in crate::channel) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn code_at(answer: &Value, pointer: &str) -> Option<String> {
    match answer.pointer(pointer)? {
        Value::Bool(value) => Some(value.to_string()),
        value => scalar(value),
    }
}

fn contains(codes: &[String], code: &str) -> bool {
    codes.iter().any(|listed| listed.eq_ignore_ascii_case(code))
}

fn read(body: &[u8]) -> Value {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(body).ok().or_else(|| xml::read(body)).unwrap_or_default()
}

/// Whether the answer is a page for people: that of a captive portal, a proxy, or a web server at the wrong URL.
fn is_web_page(body: &[u8]) -> bool {
    let start = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    let begins = |tag: &str| start.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes()));
    begins("<!doctype html") || begins("<html")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(codes: Value, reference_path: Option<&str>, require_reference: Option<bool>) -> AnswerRules {
        let codes: AnswerCodes = serde_json::from_value(codes).unwrap();
        AnswerRules::new("primary", Some(&codes), reference_path, require_reference).unwrap()
    }

    fn outcome(rules: &AnswerRules, status: u16, body: &str) -> Outcome {
        rules.outcome(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    fn accepted(reference: &str) -> Outcome {
        Outcome::accepted(Reference::new(reference))
    }

    #[test]
    fn every_status_has_an_outcome_and_only_413_is_final() {
        for status in 300..=599 {
            let outcome = common_outcome(StatusCode::from_u16(status).unwrap());
            let expected = match status {
                300..=399 | 404 | 405 | 410 | 421 => Outcome::deferred(Cause::WrongUrl),
                401 | 403 | 407 => Outcome::deferred(Cause::Unauthorized),
                402 => Outcome::deferred(Cause::Account),
                408 | 425 | 429 => Outcome::deferred(Cause::Throttled),
                413 => Outcome::rejected(Cause::BadMessage),
                400..=499 => Outcome::deferred(Cause::Unclassified),
                502 | 520 => Outcome::unknown(Cause::Disconnected),
                504 | 524 => Outcome::unknown(Cause::TimedOut),
                _ => Outcome::deferred(Cause::ProviderDown),
            };
            assert_eq!(outcome, expected, "{status}");
        }
    }

    #[test]
    fn a_listed_code_takes_precedence_over_the_status() {
        let rules = rules(
            json!({ "path": "/error/code", "invalid_number": ["21211"], "throttled": ["14107"], "rejected": ["30007"],
                    "account": ["no_credit"] }),
            None,
            None,
        );
        let coded = |code: &str| format!(r#"{{"error":{{"code":{code}}}}}"#);
        for (status, code, expected) in [
            (200, "21211", Outcome::rejected(Cause::InvalidContact)),
            (400, "\"21211\"", Outcome::rejected(Cause::InvalidContact)),
            (500, "21211", Outcome::rejected(Cause::InvalidContact)),
            (400, "14107", Outcome::deferred(Cause::Throttled)),
            (403, "30007", Outcome::rejected(Cause::BadMessage)),
            (200, "\"NO_CREDIT\"", Outcome::deferred(Cause::Account)),
            (400, "1", Outcome::deferred(Cause::Unclassified)),
            (200, "0", Outcome::accepted(None)),
        ] {
            assert_eq!(outcome(&rules, status, &coded(code)), expected, "{status} {code}");
        }
        assert_eq!(rules.code(coded("21211").as_bytes()).as_deref(), Some("21211"));
        assert_eq!(rules.code(b"<html>"), None);
    }

    #[test]
    fn a_2xx_is_accepted_only_as_the_settings_say() {
        let none = rules(json!({}), None, None);
        let reference = rules(json!({}), Some("/id"), None);
        let optional = rules(json!({}), Some("/id"), Some(false));
        let status = rules(
            json!({ "path": "/code", "ok": { "path": "/status", "values": ["0", "queued", "true"] } }),
            Some("/id"),
            None,
        );
        let both = rules(json!({ "path": "/status", "ok": { "values": ["0"] } }), None, Some(true));
        let page = "\u{feff}\n<!DOCTYPE html><html><body>Log in to the network</body></html>";
        let (unknown, refused) = (Outcome::unknown(Cause::Unclassified), Outcome::deferred(Cause::Unclassified));
        let elsewhere = Outcome::deferred(Cause::WrongUrl);
        for (row, body, [without, needs_reference, may_have_reference, needs_status, needs_both]) in [
            (
                "as documented",
                r#"{"id":"m-1","status":0}"#,
                [accepted("m-1"), accepted("m-1"), accepted("m-1"), accepted("m-1"), accepted("m-1")],
            ),
            (
                "with a BOM",
                "\u{feff}{\"id\":7,\"status\":\"0\"}",
                [accepted("7"), accepted("7"), accepted("7"), accepted("7"), accepted("7")],
            ),
            (
                "a word",
                r#"{"id":"m-1","status":"Queued"}"#,
                [accepted("m-1"), accepted("m-1"), accepted("m-1"), accepted("m-1"), refused.clone()],
            ),
            (
                "a boolean",
                r#"{"status":true}"#,
                [
                    Outcome::accepted(None),
                    unknown.clone(),
                    Outcome::accepted(None),
                    Outcome::accepted(None),
                    refused.clone(),
                ],
            ),
            (
                "an error inside",
                r#"{"status":"29"}"#,
                [Outcome::accepted(None), unknown.clone(), Outcome::accepted(None), refused.clone(), refused.clone()],
            ),
            (
                "without both",
                "{}",
                [Outcome::accepted(None), unknown.clone(), Outcome::accepted(None), unknown.clone(), unknown.clone()],
            ),
            (
                "an empty id",
                r#"{"id":"","status":0}"#,
                [
                    Outcome::accepted(None),
                    unknown.clone(),
                    Outcome::accepted(None),
                    Outcome::accepted(None),
                    unknown.clone(),
                ],
            ),
            (
                "no JSON",
                "OK 12345",
                [Outcome::accepted(None), unknown.clone(), Outcome::accepted(None), unknown.clone(), unknown.clone()],
            ),
            (
                "nothing",
                "",
                [Outcome::accepted(None), unknown.clone(), Outcome::accepted(None), unknown.clone(), unknown.clone()],
            ),
            (
                "a page",
                page,
                [elsewhere.clone(), elsewhere.clone(), elsewhere.clone(), elsewhere.clone(), elsewhere.clone()],
            ),
            (
                "a short page",
                "<HTML>ok",
                [elsewhere.clone(), elsewhere.clone(), elsewhere.clone(), elsewhere.clone(), elsewhere.clone()],
            ),
        ] {
            assert_eq!(outcome(&none, 200, body), without, "{row}");
            assert_eq!(outcome(&reference, 202, body), needs_reference, "{row}");
            assert_eq!(outcome(&optional, 201, body), may_have_reference, "{row}");
            assert_eq!(outcome(&status, 200, body), needs_status, "{row}");
            assert_eq!(outcome(&both, 200, body), needs_both, "{row}");
        }
    }

    #[test]
    fn an_answer_in_xml_is_read_by_the_same_rules() {
        let rules = rules(
            json!({ "path": "/response/code", "invalid_number": ["4"], "ok": { "values": ["0"] } }),
            Some("/response/sms/@id"),
            None,
        );
        let answer =
            |code: &str| format!("<?xml version=\"1.0\"?><response><code>{code}</code><sms id=\"m-1\"/></response>");
        assert_eq!(outcome(&rules, 200, &answer("0")), accepted("m-1"));
        assert_eq!(outcome(&rules, 200, &answer("4")), Outcome::rejected(Cause::InvalidContact));
        assert_eq!(outcome(&rules, 200, &answer("9")), Outcome::deferred(Cause::Unclassified));
        assert_eq!(outcome(&rules, 200, "<response/>"), Outcome::unknown(Cause::Unclassified));
        assert_eq!(outcome(&rules, 200, "<html><body/></html>"), Outcome::deferred(Cause::WrongUrl));
    }

    #[test]
    fn a_mistake_in_the_settings_is_named_by_its_key() {
        let error = |codes: Value, reference_path| {
            let codes: AnswerCodes = serde_json::from_value(codes).unwrap();
            AnswerRules::new("primary", Some(&codes), reference_path, None).err().unwrap().to_string()
        };
        let pointer = "expected a JSON pointer such as";
        assert_eq!(
            error(json!({ "path": "code" }), None),
            format!("provider primary: errors.path: {pointer} /error/code")
        );
        assert!(error(json!({ "rejected": ["1"] }), None).contains("errors.path: "));
        assert!(error(json!({ "ok": { "values": ["0"] } }), None).contains("errors.ok.path: "));
        assert!(error(json!({ "ok": { "path": "/a", "values": [] } }), None).contains("errors.ok.values: "));
        assert_eq!(error(json!({}), Some("id")), format!("provider primary: reference_path: {pointer} /id"));
        let unknown = serde_json::from_value::<AnswerCodes>(json!({ "okay": {} })).unwrap_err().to_string();
        assert!(unknown.contains("unknown field `okay`"), "{unknown}");
    }
}
