//! A request as it is shown to the operator who sends a test message: with the message, without credentials.

use reqwest::header::HeaderValue;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Body, HttpRequest};
use crate::channel::redaction::MASK;

/// A request without credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownRequest {
    pub method: String,
    pub url: String,
    pub headers: Map<String, Value>,
    /// The document, or the fields of a form; the size of what is encrypted; null without a body.
    pub body: Value,
}

impl HttpRequest {
    /// The request, with texts as `hide` leaves them.
    pub(in crate::channel) fn shown(&self, hide: impl Fn(&str) -> String) -> ShownRequest {
        let value = |value: &HeaderValue| {
            if value.is_sensitive() { MASK.to_owned() } else { hide(&String::from_utf8_lossy(value.as_bytes())) }
        };
        let headers = self.headers.iter().map(|(name, it)| (name.to_string(), value(it).into())).collect();
        let body = match &self.body {
            Body::None => Value::Null,
            Body::Sealed(bytes) => format!("{} bytes, encrypted for the recipient", bytes.len()).into(),
            Body::Json(document) => hidden(document, &hide),
            Body::Form(fields) => {
                Value::Object(fields.iter().map(|(name, value)| (name.clone(), hide(value).into())).collect())
            }
        };
        ShownRequest { method: self.method.to_string(), url: hide(self.url.as_str()), headers, body }
    }
}

fn hidden(value: &Value, hide: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => hide(text).into(),
        Value::Array(items) => items.iter().map(|item| hidden(item, hide)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), hidden(value, hide))).collect())
        }
        other => other.clone(),
    }
}
