//! Finds the message in a provider request: JSON of any depth, or a form.
//!
//! It accepts many field names, because every provider has its own.

use serde_json::Value;

use super::message_log::LoggedMessage;
use crate::domain::contact::Channel;

const TO: [&str; 7] = ["to", "token", "recipient", "phone", "number", "msisdn", "device"];
const TITLE: [&str; 2] = ["title", "subject"];
const TEXT: [&str; 4] = ["text", "body", "message", "content"];
const REFERENCE: [&str; 6] = ["reference", "client_reference", "clientRef", "external_id", "externalId", "id"];

/// The message in a request body, if there is one.
pub(super) fn read(channel: Channel, body: &[u8]) -> Option<LoggedMessage> {
    let mut fields = Fields::default();
    match body.trim_ascii_start().first()? {
        b'{' | b'[' => fields.add_json("", &serde_json::from_slice(body).ok()?),
        _ => fields.add_form(std::str::from_utf8(body).ok()?),
    }
    Some(LoggedMessage {
        channel,
        to: fields.first(&TO)?,
        title: fields.first(&TITLE),
        text: fields.first(&TEXT)?,
        reference: fields.first(&REFERENCE),
        at_us: 0,
    })
}

#[derive(Default)]
struct Fields(Vec<(String, String)>);

impl Fields {
    fn first(&self, names: &[&str]) -> Option<String> {
        let named = |name: &&str| self.0.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
        names.iter().find_map(named).map(|(_, value)| value.clone())
    }

    fn add_json(&mut self, name: &str, value: &Value) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| self.add_json(name, value)),
            Value::Array(items) => items.iter().for_each(|value| self.add_json(name, value)),
            Value::String(text) => self.0.push((name.to_owned(), text.clone())),
            Value::Number(number) => self.0.push((name.to_owned(), number.to_string())),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn add_form(&mut self, form: &str) {
        let pairs = form.trim().split('&').filter_map(|pair| pair.split_once('='));
        self.0.extend(pairs.map(|(name, value)| (from_form(name), from_form(value))));
    }
}

fn from_form(text: &str) -> String {
    text_of(&unescape(text.replace('+', " ").as_bytes(), b'%'))
}

/// Bytes as text. Invalid UTF-8 is replaced.
pub(super) fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Replaces `mark` and two hexadecimal digits by the byte that they encode.
pub(super) fn unescape(text: &[u8], mark: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let escaped = if *first == mark { after.first_chunk().copied().and_then(hex_pair) } else { None };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    bytes
}

fn hex_pair([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? * 16 + digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_forms_give_the_same_message() {
        let json = r#"{"to":["+48600100200"],"text":"Zażółć & 5 zł","from":"Bank","reference":"r-1"}"#;
        let form = "to=%2B48600100200&from=Bank&text=Za%C5%BC%C3%B3%C5%82%C4%87+%26+5+z%c5%82&reference=r-1";
        let [json, form] = [json, form].map(|body| read(Channel::Sms, body.as_bytes()).unwrap());
        assert_eq!(json, form);
        assert_eq!((json.to.as_str(), json.text.as_str()), ("+48600100200", "Zażółć & 5 zł"));
    }

    #[test]
    fn a_nested_push_message_is_found() {
        let body =
            r#"{"message":{"token":"abc","notification":{"title":"Kod","body":"1111"},"data":{"reference":"r"}}}"#;
        let found = read(Channel::Push, body.as_bytes()).unwrap();
        assert_eq!((found.to.as_str(), found.title.as_deref(), found.text.as_str()), ("abc", Some("Kod"), "1111"));
    }

    #[test]
    fn a_body_without_a_message_is_not_read() {
        for body in ["", "{", "hello", "to=1", "{\"text\":\"x\"}"] {
            assert_eq!(read(Channel::Sms, body.as_bytes()), None, "{body:?}");
        }
    }

    #[test]
    fn an_invalid_escape_is_kept() {
        assert_eq!(unescape(b"100% %4 %zz %41", b'%'), b"100% %4 %zz A");
    }
}
