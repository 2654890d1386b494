//! The credentials in a `[[provider]]` section: found by the names of their keys, and in the queries of URLs, so that nothing
//! that is shown contains one.

use reqwest::Url;
use serde_json::{Map, Value};

use super::redaction::MASK;
use crate::domain::secret::{Credential, is_secret_key};

/// A shorter credential is a word of the message by chance. It is hidden only where it is the whole value.
const PART_MIN: usize = 4;

/// The credentials of one section.
#[derive(Clone, Default)]
pub(super) struct Credentials(Vec<(String, Credential)>);

impl Credentials {
    /// Every string below a key that holds a secret, and every value in the query of a URL.
    pub(super) fn of(section: &Map<String, Value>) -> Self {
        let mut all = Self::default();
        section.iter().for_each(|(key, value)| all.add(key, value, is_secret_key(key)));
        all
    }

    fn add(&mut self, key: &str, value: &Value, is_secret: bool) {
        match value {
            Value::Object(table) => {
                for (name, value) in table {
                    self.add(&format!("{key}.{name}"), value, is_secret || is_secret_key(name));
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.add(key, item, is_secret)),
            Value::String(text) if is_secret => self.0.push((key.to_owned(), Credential::new(text.clone()))),
            Value::String(text) => {
                let url = Url::parse(text).ok();
                let values = url.iter().flat_map(Url::query_pairs).filter(|(_, value)| !value.trim().is_empty());
                self.0.extend(values.map(|(_, value)| (key.to_owned(), Credential::new(value.into_owned()))));
            }
            _ => {}
        }
    }

    /// The key of a credential that is empty: a variable or a file was, and every request would be refused. Fixed fields may be.
    pub(super) fn empty(&self) -> Option<&str> {
        let empty = self.0.iter().filter(|(_, credential)| credential.expose().trim().is_empty());
        empty.map(|(key, _)| key.as_str()).find(|key| !key.starts_with("static_fields."))
    }

    /// `text` without credentials, in clear or encoded for a URL.
    pub(super) fn hidden_in(&self, text: &str) -> String {
        let mut hidden = text.to_owned();
        for credential in self.0.iter().map(|(_, credential)| credential.expose()) {
            if credential == text {
                return MASK.to_owned();
            }
            if credential.len() >= PART_MIN {
                let encoded: String = form_urlencoded::byte_serialize(credential.as_bytes()).collect();
                hidden = hidden.replace(credential, MASK).replace(&encoded, MASK);
            }
        }
        hidden
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn credentials_are_hidden_wherever_they_are_in_a_text() {
        let section = json!({
            "url": "https://sms.example?pin=q-1234&v=", "api_key": "k-0+1", "receipts": { "url": "u", "token": "t 123456" },
            "static_fields": { "version": "2", "list": ["abcd"] }, "fields": { "to": "to" },
        });
        let credentials = Credentials::of(section.as_object().unwrap());
        let hidden = |text| credentials.hidden_in(text);
        assert_eq!(hidden("https://sms.example?pin=q-1234&v=&key=k-0%2B1"), "https://sms.example?pin=***&v=&key=***");
        assert_eq!(hidden("https://a.example/?token=t+123456"), "https://a.example/?token=***");
        assert_eq!((hidden("2").as_str(), hidden("xabcdx").as_str(), hidden("to").as_str()), ("***", "x***x", "to"));
    }

    #[test]
    fn a_credential_that_is_empty_is_named() {
        let empty = |section: Value| Credentials::of(section.as_object().unwrap()).empty().map(str::to_owned);
        assert_eq!(empty(json!({ "headers": { "X-Key": "" } })).as_deref(), Some("headers.X-Key"));
        assert_eq!(empty(json!({ "receipts": { "token": " " } })).as_deref(), Some("receipts.token"));
        assert_eq!(empty(json!({ "static_fields": { "template": "" }, "sender": "", "api_key": "k" })), None);
    }
}
