//! JSON Schema (2020-12) for bodies: what the readers take, from the tables they read by.
//!
//! A schema is never narrower than its reader. Where it is wider, because a calendar or a length in bytes has no
//! schema, its description says so.

use serde_json::{Map, Value};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, SchemaType, Type};

use crate::domain::secret::CODE_MAX;
use crate::ingest::verestro::date;
use crate::ingest::verestro::field_spec::{FieldSpec, FieldType, Presence};

const UUID: &str = "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}";

/// The largest integer that is read; a longer one has to come as text.
const INTEGER_MAX: usize = usize::MAX;

/// The object with these members, those with a path in objects of their own.
pub(super) fn object(members: &[FieldSpec]) -> Schema {
    let mut object = ObjectBuilder::new().schema_type(Type::Object);
    let mut inside: Vec<(&str, Vec<FieldSpec>)> = Vec::new();
    for member in members {
        match member.name.split_once('.') {
            None => {
                object = object.property(member.name, value(member));
                if member.need == Presence::Required {
                    object = object.required(member.name);
                }
            }
            Some((group, rest)) => {
                let member = FieldSpec { name: rest, ..*member };
                match inside.iter_mut().find(|(name, _)| *name == group) {
                    Some((_, members)) => members.push(member),
                    None => inside.push((group, vec![member])),
                }
            }
        }
    }
    for (group, members) in inside {
        let group_schema = self::object(&members);
        if members.iter().any(|member| member.need == Presence::Required) {
            object = object.property(group, group_schema).required(group);
        } else {
            let either = AnyOfBuilder::new().item(group_schema).item(anything()).build();
            object = object.property(group, Schema::from(either));
        }
    }
    object.build().into()
}

/// A body with every member that has a sample.
pub(super) fn sample(members: &[FieldSpec]) -> Value {
    let mut sample = Map::new();
    for member in members.iter().filter(|member| !member.sample.is_empty()) {
        put(&mut sample, member.name, member.sample);
    }
    Value::Object(sample)
}

fn put(object: &mut Map<String, Value>, path: &str, text: &str) {
    match path.split_once('.') {
        None => drop(object.insert(path.to_owned(), text.into())),
        Some((group, rest)) => {
            let inside = object.entry(group).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inside) = inside {
                put(inside, rest, text);
            }
        }
    }
}

fn value(member: &FieldSpec) -> Schema {
    let written = written(member.form);
    match member.need {
        Presence::Required => written.description(Some(format!("{} {}", member.says, how(member.form)))).build().into(),
        Presence::Optional => AnyOfBuilder::new()
            .item(written.description(Some(how(member.form))))
            .item(ObjectBuilder::new().schema_type(Type::Null).description(Some("As if it were missing.")))
            .description(Some(member.says))
            .build()
            .into(),
        Presence::Noted => AnyOfBuilder::new()
            .item(written.description(Some(how(member.form))))
            .item(anything())
            .description(Some(member.says))
            .build()
            .into(),
    }
}

fn anything() -> ObjectBuilder {
    let says = "Anything else, and nothing at all, is taken; a remark is kept.";
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some(says))
}

fn written(form: FieldType) -> ObjectBuilder {
    let text = |pattern: String| ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
    match form {
        FieldType::Digits(most) => or_integer(text(format!("^[0-9]{{1,{most}}}$")), most),
        FieldType::LastDigits(count) => or_integer(text(format!("^[0-9]{{{count}}}$")), count),
        FieldType::Code => or_integer(text(format!("^[0-9A-Za-z]{{1,{CODE_MAX}}}$")), CODE_MAX),
        FieldType::Printable(most) => or_integer(text(format!("^[!-~]{{1,{most}}}$")), most),
        FieldType::UuidOrDigits(most) => {
            let forms = [format!("[0-9]{{1,{most}}}"), UUID.to_owned(), "[0-9A-Fa-f]{32}".to_owned()];
            let odd = [format!(r"\{{{UUID}\}}"), format!("urn:uuid:{UUID}")];
            or_integer(text(format!("^({}|{})$", forms.join("|"), odd.join("|"))), most)
        }
        FieldType::Uuid => text(format!("^{UUID}$")),
        FieldType::Currency => text("^[A-Za-z]{3}$".to_owned()),
        FieldType::Name => or_integer(ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)), 20),
        FieldType::Moment => text("^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}".to_owned())
            .max_length(Some(date::LENGTH_MAX)),
        FieldType::Mailbox => text(format!("^$|{}", mailbox())).max_length(Some(254)),
        FieldType::Closed(words) => {
            text(format!("^({})$", words.iter().map(|word| in_any_case(word)).collect::<Vec<_>>().join("|")))
                .examples(words.iter().copied())
        }
        FieldType::Open(words) => ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .examples(words().into_iter().map(str::to_ascii_uppercase)),
    }
}

fn or_integer(text: ObjectBuilder, digits: usize) -> ObjectBuilder {
    let most = u32::try_from(digits).ok().and_then(|digits| 10_usize.checked_pow(digits));
    text.schema_type(SchemaType::from_iter([Type::String, Type::Integer]))
        .minimum(Some(0_usize))
        .maximum(Some(most.map_or(INTEGER_MAX, |beyond| beyond - 1)))
}

fn how(form: FieldType) -> String {
    let integer = "or an integer, written without a point or an exponent";
    match form {
        FieldType::Digits(most) => format!("1 to {most} ASCII digits, {integer}."),
        FieldType::LastDigits(count) => format!("{count} ASCII digits, {integer}."),
        FieldType::Code => format!("1 to {CODE_MAX} ASCII letters or digits, {integer}."),
        FieldType::Printable(most) => format!("1 to {most} printable ASCII characters without blanks, {integer}."),
        FieldType::UuidOrDigits(most) => format!("A UUID, 1 to {most} ASCII digits, {integer}."),
        FieldType::Uuid => "A UUID of any version.".to_owned(),
        FieldType::Currency => "Three letters of ISO 4217, in capitals.".to_owned(),
        FieldType::Name => format!("Any text, {integer}."),
        FieldType::Moment => {
            "RFC 3339, with an offset: without one it is read as UTC. It has to be a day of the calendar, \
                         and at most a day ahead."
                .to_owned()
        }
        FieldType::Mailbox => "One plain mailbox, at most 254 bytes in UTF-8; empty, it is missing.".to_owned(),
        FieldType::Closed(words) => format!("{}, in any case.", words.join(" or ")),
        FieldType::Open(words) => format!(
            "Known are {}, in any case. Another word is taken and told in general words.",
            words().into_iter().map(str::to_ascii_uppercase).collect::<Vec<_>>().join(", ")
        ),
    }
}

// JSON Schema knows no flags for its patterns.
fn in_any_case(word: &str) -> String {
    let either = |c: char| match c {
        'a'..='z' | 'A'..='Z' => format!("[{}{}]", c.to_ascii_uppercase(), c.to_ascii_lowercase()),
        c => c.to_string(),
    };
    word.chars().map(either).collect()
}

fn mailbox() -> String {
    let plain = r#"\s\x00-\x1f\x7f()<>\[\]:;@\\,""#;
    let label = format!("[^{plain}.]{{1,63}}");
    format!(r#"^([^{plain}]{{1,64}}|"([^{plain}]| ){{1,62}}")@({label}\.)+{label}$"#)
}
