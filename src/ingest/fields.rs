//! Reads one JSON object strictly: its syntax, its encoding, each wanted field at most once. A field of an object
//! inside is wanted by its path, as in `transaction.id`.
//!
//! Our own reader over `serde_json`'s, because the errors of derived ones repeat the value they stumble over, and
//! that value may be a code. What the values mean is for the contract's own file to say.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroize;

use super::problem::Problem;
use crate::domain::notification::Warning;

/// A value as far as any contract needs it.
#[derive(PartialEq, Eq)]
pub(super) enum Field {
    Template(String),
    Integer(u64),
    Null,
    /// Anything else: a fraction, a negative or huge number, a truth value, a list, an object.
    Other,
}

impl Drop for Field {
    fn drop(&mut self) {
        if let Self::Template(text) = self {
            text.zeroize();
        }
    }
}

/// The wanted fields of one object, and what was odd about it.
pub(super) struct Fields {
    wanted: &'static [&'static str],
    found: Vec<Option<Field>>,
    others: usize,
    pub(super) warnings: Vec<Warning>,
}

/// RFC 8259, 8.1 lets a reader ignore it.
const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

impl Fields {
    /// Reads the body as one object and keeps the fields called `wanted`; others are passed over.
    pub(super) fn read(body: &[u8], wanted: &'static [&'static str]) -> Result<Self, Problem> {
        let mut warnings = Vec::new();
        let text = match body.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) => {
                warnings.push(Warning { field: "", what: "begins with a byte order mark" });
                rest
            }
            None => body,
        };
        let text = std::str::from_utf8(text).map_err(|_| Problem::Invalid("", "expected UTF-8"))?;
        let mut reader = serde_json::Deserializer::from_str(text);
        let mut found = Found { values: wanted.iter().map(|_| None).collect(), inside: Vec::new(), others: 0 };
        let read = Object { wanted, path: "", found: &mut found }.deserialize(&mut reader);
        let read = read.and_then(|()| reader.end());
        read.map_err(|_| Problem::Invalid("", "expected one JSON object, each field once"))?;
        // A handful is a newer contract; thousands are not.
        if found.others > MANY {
            warnings.push(Warning { field: "", what: "has very many unknown fields" });
        }
        Ok(Self { wanted, found: found.values, others: found.others, warnings })
    }

    /// Takes a field out; `None` when it is absent or null.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Field> {
        let at = self.wanted.iter().position(|wanted| *wanted == name)?;
        self.found[at].take().filter(|field| *field != Field::Null)
    }

    /// Whether the object had no fields but those that were wanted.
    pub(super) fn is_all(&self) -> bool {
        self.others == 0
    }

    /// Remembers something odd that does not stop the notification.
    pub(super) fn warn(&mut self, field: &'static str, what: &'static str) {
        self.warnings.push(Warning { field, what });
    }
}

const MANY: usize = 100;

/// What was read so far.
struct Found {
    values: Vec<Option<Field>>,
    // Objects that were entered, by their path.
    inside: Vec<String>,
    others: usize,
}

/// An object whose fields have paths that begin with `path`.
struct Object<'a> {
    wanted: &'static [&'static str],
    path: &'a str,
    found: &'a mut Found,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            // A dot in a name would make it look like a path.
            let path = (!name.contains('.')).then_some((self.path, name.as_str()));
            if let Some(at) = self.wanted.iter().position(|wanted| below(wanted, path) == Some("")) {
                let field = map.next_value()?;
                if self.found.values[at].replace(field).is_some() {
                    return Err(A::Error::custom("a field stands there twice"));
                }
                continue;
            }
            if self.wanted.iter().any(|wanted| below(wanted, path).is_some_and(|rest| rest.starts_with('.'))) {
                let path = format!("{}{name}.", self.path);
                if self.found.inside.contains(&path) {
                    return Err(A::Error::custom("an object stands there twice"));
                }
                self.found.inside.push(path.clone());
                let inside = Object { wanted: self.wanted, path: &path, found: &mut *self.found };
                map.next_value_seed(Value { inside: Some(inside) })?;
                continue;
            }
            // Read like any other: nested without end, or with what is no text, it is no notification.
            map.next_value::<Field>()?;
            self.found.others += 1;
        }
        Ok(())
    }
}

// What of a wanted path is left behind this one, an object's and a name in it.
fn below(wanted: &'static str, path: Option<(&str, &str)>) -> Option<&'static str> {
    let (object, name) = path?;
    wanted.strip_prefix(object)?.strip_prefix(name)
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Value { inside: None })
    }
}

/// Any value. Of an object whose fields may be wanted they are looked for; where such an object is missing, its fields
/// are too, and that is all.
struct Value<'a> {
    inside: Option<Object<'a>>,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Field;
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Field, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Field, E> {
        if text.contains('\0') {
            return Err(E::custom("a NUL in a text"));
        }
        Ok(Field::Template(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Field, E> {
        Ok(Field::Integer(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Field, E> {
        Ok(Field::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Field, E> {
        Ok(Field::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Field, E> {
        Ok(Field::Other)
    }

    fn visit_unit<E>(self) -> Result<Field, E> {
        Ok(Field::Null)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Field, A::Error> {
        while items.next_element::<Field>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field, A::Error> {
        match self.inside {
            Some(object) => object.visit_map(map)?,
            None => while map.next_entry::<IgnoredAny, Field>()?.is_some() {},
        }
        Ok(Field::Other)
    }
}
