//! JSON Schema (2020-12) for the values of fields.
//!
//! A schema is never narrower than the field's reader. Where it is wider, because a calendar or a length in bytes has no
//! schema, its description says so.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

pub(in crate::ingest) const UUID: &str = "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}";

/// The largest integer that is read; a longer one has to be text.
const INTEGER_MAX: usize = usize::MAX;

/// A text that matches `pattern`.
pub(in crate::ingest) fn text(pattern: impl Into<String>, description: impl Into<String>) -> ObjectBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String);
    text.pattern(Some(pattern.into())).description(Some(description.into()))
}

/// A text that matches `pattern`, or an integer of up to `digits` digits.
pub(in crate::ingest) fn text_or_integer(pattern: &str, digits: usize, description: &str) -> RefOr<Schema> {
    let description = format!("{description}, or an integer, written without a point or an exponent.");
    or_integer(text(pattern, description), digits)
}

/// Any text that is not empty, or an integer.
pub(in crate::ingest) fn any_text_or_integer() -> RefOr<Schema> {
    let description = "Any text, or an integer, written without a point or an exponent.";
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).description(Some(description));
    or_integer(text, 20)
}

/// One of `words`, in any case.
pub(in crate::ingest) fn one_of(words: &[&str]) -> RefOr<Schema> {
    let pattern = words.iter().map(|word| in_any_case(word)).collect::<Vec<_>>().join("|");
    text(format!("^({pattern})$"), format!("{}, in any case.", words.join(" or "))).examples(words.to_vec()).into()
}

/// A word that is not empty: one of `words`, in any case, or one that this version does not know.
pub(in crate::ingest) fn known(words: impl IntoIterator<Item = &'static str>) -> RefOr<Schema> {
    let words: Vec<_> = words.into_iter().map(str::to_ascii_uppercase).collect();
    let description = format!(
        "Known are {}, in any case. Any other word is accepted and described to the recipient in general terms.",
        words.join(", ")
    );
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).description(Some(description));
    text.examples(words).into()
}

fn or_integer(text: ObjectBuilder, digits: usize) -> RefOr<Schema> {
    let beyond = u32::try_from(digits).ok().and_then(|digits| 10_usize.checked_pow(digits));
    text.schema_type(SchemaType::from_iter([Type::String, Type::Integer]))
        .minimum(Some(0_usize))
        .maximum(Some(beyond.map_or(INTEGER_MAX, |beyond| beyond - 1)))
        .into()
}

// JSON Schema has no flags for its patterns.
fn in_any_case(word: &str) -> String {
    let either = |c: char| match c {
        'a'..='z' | 'A'..='Z' => format!("[{}{}]", c.to_ascii_uppercase(), c.to_ascii_lowercase()),
        c => c.to_string(),
    };
    word.chars().map(either).collect()
}
