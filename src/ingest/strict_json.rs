//! Parses a body as one strict JSON object into a wire struct.
//!
//! It takes two passes, because a derived reader alone is too lenient: it skips unknown fields without checking them,
//! it accepts a list in place of an object, and it does not count fields. The first pass checks the whole body: one
//! object, UTF-8, numbers in range, no lone surrogates, no NUL, at most 127 levels. The second pass fills the struct;
//! a duplicate of one of its fields fails there.
//!
//! The fields of a wire struct are [`JsonValue`]s, which accept every type. So a derived reader never fails on a value,
//! and its error messages, which would repeat that value, are dropped.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::problem::Problem;
use crate::domain::notification::Warning;

/// RFC 8259, 8.1 allows a reader to ignore it.
const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// No contract has a quarter as many fields. A handful of unknown ones is a newer version; this many are not.
const FIELDS_MAX: usize = 100;

/// A body that was parsed.
pub(super) struct Parsed<T> {
    pub(super) value: T,
    /// The number of fields in the body and in its inner objects.
    pub(super) fields: usize,
    pub(super) warnings: Vec<Warning>,
}

/// Parses `body` as one JSON object.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<Parsed<T>, Problem> {
    let mut warnings = Vec::new();
    let stripped = body.strip_prefix(BYTE_ORDER_MARK);
    if stripped.is_some() {
        warnings.push(Warning { field: "", what: "begins with a byte order mark" });
    }
    let text = std::str::from_utf8(stripped.unwrap_or(body)).map_err(|_| Problem::Invalid("", "expected UTF-8"))?;
    let both = serde_json::from_str(text).and_then(|checked| Ok((checked, serde_json::from_str(text)?)));
    let wrong = Problem::Invalid("", "expected one JSON object without duplicate fields");
    let (CheckedObject { fields }, value) = both.map_err(|_| wrong)?;
    if fields > FIELDS_MAX {
        warnings.push(Warning { field: "", what: "has very many unknown fields" });
    }
    Ok(Parsed { value, fields, warnings })
}

/// The value of a field, of any type. `T` is the wire struct of an object.
#[derive(Default)]
pub(super) enum JsonValue<T = IgnoredAny> {
    /// Absent or `null`.
    #[default]
    Missing,
    Text(Zeroizing<String>),
    Integer(u64),
    Object(T),
    /// A fraction, a negative or huge number, a boolean, a list.
    Other,
}

impl<T: Default> JsonValue<T> {
    /// The object, or one without fields when there is none.
    pub(super) fn into_object(self) -> T {
        if let Self::Object(object) = self { object } else { T::default() }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for JsonValue<T> {
    // As an option, because serde reads an absent field as an empty option and not as an error.
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_option(AnyValue(PhantomData))
    }
}

struct AnyValue<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for AnyValue<T> {
    type Value = JsonValue<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(JsonValue::Missing)
    }

    fn visit_some<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.contains('\0') {
            return Err(E::custom("a NUL"));
        }
        Ok(JsonValue::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(JsonValue::Integer(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(JsonValue::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(JsonValue::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(JsonValue::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<JsonValue<CheckedObject>>()?.is_some() {}
        Ok(JsonValue::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(JsonValue::Object)
    }
}

/// Any object, for the first pass: checks every value, keeps none.
struct CheckedObject {
    fields: usize,
}

impl<'de> Deserialize<'de> for CheckedObject {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_map(CheckObject)
    }
}

struct CheckObject;

impl<'de> Visitor<'de> for CheckObject {
    type Value = CheckedObject;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CheckedObject, A::Error> {
        let mut fields = 0;
        while let Some((IgnoredAny, value)) = map.next_entry::<_, JsonValue<CheckedObject>>()? {
            fields += 1;
            if let JsonValue::Object(inner) = value {
                fields += inner.fields;
            }
        }
        Ok(CheckedObject { fields })
    }
}
