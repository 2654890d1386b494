//! The fields of a message, as one gateway names and writes them.
//!
//! Pure. Which fields there are is fixed; a gateway's own constants are `static_fields`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::channel::Error;
use crate::channel::http::answer::scalar;
use crate::domain::delivery::DeliveryId;

/// The largest index of an array that a JSON pointer may name: requests have one message.
const INDEX_MAX: usize = 15;

/// The gateway's names for our fields. A field with an empty name is not sent. In a JSON body, a name that begins with `/` is a
/// JSON pointer (RFC 6901), such as `/contents/0/text`; the objects and arrays on its way are made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FieldNames {
    /// The phone number, in `number_format`.
    pub to: String,
    pub text: String,
    /// The value is the key `sender`.
    pub sender: String,
    /// The delivery's id in `reference_format`, the same on every attempt.
    pub reference: String,
    /// The time left until the message expires, in seconds.
    pub validity: String,
}

impl Default for FieldNames {
    fn default() -> Self {
        let [to, text, sender, reference, validity] =
            ["to", "text", "from", "reference", "validity_seconds"].map(String::from);
        Self { to, text, sender, reference, validity }
    }
}

impl FieldNames {
    pub(super) fn all(&self) -> [&str; 5] {
        [&self.to, &self.text, &self.sender, &self.reference, &self.validity]
    }
}

/// Constant fields, with names as in [`FieldNames`]. Some gateways expect their API key here, so `Debug` shows the names only.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct StaticFields(pub(super) BTreeMap<String, Value>);

impl fmt::Debug for StaticFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// How a phone number is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberFormat {
    /// `+48600100200`.
    #[default]
    E164,
    /// `48600100200`.
    Digits,
    /// `0048600100200`.
    #[serde(rename = "00")]
    DoubleZero,
}

impl NumberFormat {
    /// `number` is in the form of E.164.
    pub(super) fn write(self, number: &str) -> String {
        let digits = number.trim_start_matches('+');
        match self {
            Self::E164 => number.to_owned(),
            Self::Digits => digits.to_owned(),
            Self::DoubleZero => format!("00{digits}"),
        }
    }
}

/// How our reference is written, for gateways that do not take every text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceFormat {
    /// 36 characters, with hyphens.
    #[default]
    Uuid,
    /// 32 hexadecimal digits. Receipts may name it.
    Hex,
    /// At most 19 decimal digits. A receipt has to name the gateway's id: this one does not lead back to the delivery.
    Digits,
}

impl ReferenceFormat {
    pub(super) fn write(self, delivery: DeliveryId) -> String {
        match self {
            Self::Uuid => delivery.to_string(),
            Self::Hex => delivery.0.simple().to_string(),
            // The random part of a UUID of version 7 (RFC 9562, section 5.7): its last 62 bits.
            Self::Digits => (delivery.0.as_u64_pair().1 & (u64::MAX >> 2)).to_string(),
        }
    }
}

/// The unit of the time for which a message is valid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidityUnit {
    #[default]
    Seconds,
    Milliseconds,
    /// Rounded down, but never 0, which may mean "no limit".
    Minutes,
}

impl ValidityUnit {
    pub(super) fn write(self, seconds: u64) -> u64 {
        match self {
            Self::Seconds => seconds,
            Self::Milliseconds => seconds.saturating_mul(1000),
            Self::Minutes => (seconds / 60).max(1),
        }
    }
}

/// Whether `name` is a JSON pointer.
pub(super) fn is_pointer(name: &str) -> bool {
    name.starts_with('/')
}

/// Checks the names of fields for a JSON body.
pub(super) fn check_pointers<'a>(provider: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    for name in names.filter(|name| is_pointer(name)) {
        let index = |part: &str| part.parse::<usize>().ok();
        if tokens(name).iter().any(|part| part.is_empty() || index(part).is_some_and(|index| index > INDEX_MAX)) {
            let expected = format!("fields: expected names and indexes to {INDEX_MAX} in the JSON pointer {name}");
            return Err(Error::new(provider, expected));
        }
    }
    Ok(())
}

/// The document with these fields. Names come before pointers, so that a pointer may lead into a constant field.
pub(super) fn document(fields: Map<String, Value>) -> Value {
    let (pointers, names): (Map<_, _>, Map<_, _>) = fields.into_iter().partition(|(name, _)| is_pointer(name));
    let mut document = Value::Object(names);
    for (pointer, value) in pointers {
        put(&mut document, &tokens(&pointer), value);
    }
    document
}

fn put(place: &mut Value, path: &[String], value: Value) {
    let Some((name, rest)) = path.split_first() else {
        *place = value;
        return;
    };
    let next = if let Ok(index) = name.parse::<usize>() {
        if !place.is_array() {
            *place = Value::Array(Vec::new());
        }
        place.as_array_mut().and_then(|items| {
            items.resize(items.len().max(index + 1), Value::Null);
            items.get_mut(index)
        })
    } else {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place.as_object_mut().map(|fields| fields.entry(name.as_str()).or_insert(Value::Null))
    };
    if let Some(next) = next {
        put(next, rest, value);
    }
}

/// The parts of a JSON pointer, unescaped (RFC 6901, section 4).
fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
}

/// The fields of a form or a query.
pub(super) fn pairs(fields: Map<String, Value>) -> Vec<(String, String)> {
    fields.into_iter().map(|(name, value)| (name, scalar(&value).unwrap_or_else(|| value.to_string()))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn made(fields: Value) -> Value {
        let Value::Object(fields) = fields else { unreachable!("an object") };
        document(fields)
    }

    #[test]
    fn a_pointer_makes_the_objects_and_arrays_on_its_way() {
        assert_eq!(
            made(json!({ "to": "48", "/contents/0/type": "text", "/contents/0/text": "Kod", "/a~1b/c": 1 })),
            json!({ "to": "48", "contents": [{ "type": "text", "text": "Kod" }], "a/b": { "c": 1 } })
        );
        assert_eq!(
            made(json!({ "message": { "class": 0, "parts": ["x"] }, "/message/body": "Kod", "/message/parts/1": "y" })),
            json!({ "message": { "class": 0, "parts": ["x", "y"], "body": "Kod" } })
        );
    }

    #[test]
    fn a_pointer_that_leads_nowhere_is_refused() {
        let check = |name: &str| check_pointers("primary", [name].into_iter()).map_err(|error| error.to_string());
        assert!(check("/contents/15/text").is_ok() && check("text").is_ok() && check("").is_ok());
        for bad in ["/", "/contents//text", "/contents/16/text", "/contents/99999999/text"] {
            assert!(check(bad).unwrap_err().contains(bad), "{bad}");
        }
    }

    #[test]
    fn numbers_and_references_are_written_as_the_gateway_expects_them() {
        let numbers = [NumberFormat::E164, NumberFormat::Digits, NumberFormat::DoubleZero].map(|it| it.write("+48600"));
        assert_eq!(numbers, ["+48600", "48600", "0048600"]);
        let id = DeliveryId(Uuid::from_u128(0x0198_0000_0000_7000_bfff_ffff_ffff_ffff));
        let references = [ReferenceFormat::Uuid, ReferenceFormat::Hex, ReferenceFormat::Digits].map(|it| it.write(id));
        let expected =
            ["01980000-0000-7000-bfff-ffffffffffff", "0198000000007000bfffffffffffffff", "4611686018427387903"];
        assert_eq!(references, expected);
        assert_eq!(Uuid::try_parse(&references[1]).unwrap(), id.0);
    }
}
