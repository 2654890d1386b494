//! Reads the fields of a wire struct: each is required, or only noted when it is missing or malformed.
//!
//! What a value may look like is decided by its [`Format`]. Answers and warnings name the field and never repeat
//! the value.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::problem::Problem;
use super::strict_json::JsonValue;
use crate::domain::clock::Timestamp;
use crate::domain::notification::{Content, Warning};
use crate::domain::recipient::Identifier;

/// The recipients that a notification names, and its content.
pub(super) type Notified = (Vec<Identifier>, Content);

/// A format of fields: how a value is written, and how it is read.
pub(super) trait Format {
    type Value;
    /// The name of its schema.
    const NAME: &'static str;

    fn schema() -> RefOr<Schema>;

    /// Reads a value. Fails with a fixed text that says what was expected.
    fn read(value: JsonValue, reading: &mut Reading<'_>) -> Result<Self::Value, &'static str>;
}

/// A field that is written in the format `F`. Give each format an alias: the schema derive needs a name without
/// parameters.
pub(super) struct Field<F>(pub(super) JsonValue, PhantomData<F>);

impl<F> From<JsonValue> for Field<F> {
    fn from(value: JsonValue) -> Self {
        Self(value, PhantomData)
    }
}

impl<F> Default for Field<F> {
    fn default() -> Self {
        JsonValue::Missing.into()
    }
}

impl<'de, F> Deserialize<'de> for Field<F> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        JsonValue::deserialize(reader).map(Self::from)
    }
}

impl<F: Format> PartialSchema for Field<F> {
    fn schema() -> RefOr<Schema> {
        F::schema()
    }
}

impl<F: Format> ToSchema for Field<F> {
    fn name() -> Cow<'static, str> {
        F::NAME.into()
    }
}

/// One field while it is read.
pub(super) struct Reading<'a> {
    pub(super) now: Timestamp,
    field: &'static str,
    warnings: &'a mut Vec<Warning>,
}

impl Reading<'_> {
    /// Keeps something odd that does not stop the notification.
    pub(super) fn warn(&mut self, what: &'static str) {
        self.warnings.push(Warning { field: self.field, what });
    }

    /// A text, or an integer in its place, which is odd.
    pub(super) fn text_or_number(&mut self, value: JsonValue) -> Option<String> {
        if matches!(value, JsonValue::Integer(_)) {
            self.warn("a number where text was expected");
        }
        text_or_integer(value)
    }
}

/// Reads the fields of one body.
pub(super) struct FieldReader {
    pub(super) now: Timestamp,
    pub(super) warnings: Vec<Warning>,
}

impl FieldReader {
    /// A field without which the notification is rejected.
    pub(super) fn required<F: Format>(&mut self, field: &'static str, value: Field<F>) -> Result<F::Value, Problem> {
        F::read(value.0, &mut self.reading(field)).map_err(|expected| Problem::Invalid(field, expected))
    }

    /// A field without which the recipient can be notified all the same.
    pub(super) fn noted<F: Format>(&mut self, field: &'static str, value: Field<F>) -> Option<F::Value> {
        let mut reading = self.reading(field);
        F::read(value.0, &mut reading).map_err(|expected| reading.warn(expected)).ok()
    }

    /// Keeps something odd about a field.
    pub(super) fn warn(&mut self, field: &'static str, what: &'static str) {
        self.reading(field).warn(what);
    }

    fn reading(&mut self, field: &'static str) -> Reading<'_> {
        Reading { now: self.now, field, warnings: &mut self.warnings }
    }
}

/// A text, or the digits of an integer.
pub(super) fn text_or_integer(value: JsonValue) -> Option<String> {
    match value {
        JsonValue::Text(mut text) => Some(std::mem::take(&mut *text)),
        JsonValue::Integer(number) => Some(number.to_string()),
        JsonValue::Missing | JsonValue::Object(_) | JsonValue::Other => None,
    }
}

/// A text that is not empty.
pub(super) fn text(value: JsonValue) -> Option<String> {
    match value {
        JsonValue::Text(mut text) if !text.is_empty() => Some(std::mem::take(&mut *text)),
        _ => None,
    }
}

/// 1 to `most` ASCII digits, or an integer of no more.
pub(super) fn digits(value: JsonValue, most: usize) -> Option<String> {
    text_or_integer(value).filter(|text| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()))
}
