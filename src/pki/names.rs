//! Distinguished names as text (RFC 4514), and whether two texts are the same name.

use openssl::asn1::Asn1Object;
use openssl::nid::Nid;
use openssl::x509::X509NameRef;

use super::der::{DerValue, SEQUENCE, SET};

/// An attribute of a name: its object identifier and its value.
pub(super) struct Attribute<'a> {
    pub(super) oid: String,
    pub(super) value: DerValue<'a>,
}

/// The relative names of a name in DER, the most general first. Most have one attribute.
pub(super) fn relative_names(der: &[u8]) -> Option<Vec<Vec<Attribute<'_>>>> {
    let (name, _) = DerValue::read(der)?;
    name.inside(SEQUENCE)?.into_iter().map(attributes).collect()
}

fn attributes(set: DerValue<'_>) -> Option<Vec<Attribute<'_>>> {
    set.inside(SET)?.into_iter().map(Attribute::read).collect()
}

impl<'a> Attribute<'a> {
    fn read(content: DerValue<'a>) -> Option<Self> {
        match content.inside(SEQUENCE)?[..] {
            [oid, value] => Some(Self { oid: oid.object_identifier()?, value }),
            _ => None,
        }
    }
}

/// Formats a distinguished name on one line, most specific part first, as in `CN=otp+UID=7,O=Processor\, Inc.` (RFC 4514).
/// Control characters and characters that change the text direction are escaped as bytes.
pub fn distinguished_name(name: &X509NameRef) -> String {
    let der = name.to_der().unwrap_or_default();
    let Some(mut names) = relative_names(&der) else { return format!("#{}", hex::encode_upper(&der)) };
    names.reverse();
    let relative = |attributes: &Vec<Attribute<'_>>| attributes.iter().map(shown).collect::<Vec<_>>().join("+");
    names.iter().map(relative).collect::<Vec<_>>().join(",")
}

fn shown(Attribute { oid, value }: &Attribute<'_>) -> String {
    let kind = kind(oid);
    match value.text() {
        Some(text) => format!("{kind}={}", escaped(&text)),
        None => format!("{kind}=#{}", hex::encode_upper(value.encoded)),
    }
}

/// The short name of an attribute's kind, such as `CN`, or its object identifier.
pub(super) fn kind(oid: &str) -> String {
    match Asn1Object::from_str(oid).map_or(Nid::UNDEF, |object| object.nid()) {
        Nid::UNDEF => oid.to_owned(),
        nid => nid.short_name().map_or_else(|_| oid.to_owned(), str::to_owned),
    }
}

pub(super) fn escaped(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut line = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        let special = matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';');
        if special || (at == 0 && matches!(c, ' ' | '#')) || (at == last && c == ' ') {
            line.push('\\');
            line.push(c);
        } else if c.is_control() || changes_direction(c) {
            line.extend(c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("\\{byte:02X}")));
        } else {
            line.push(c);
        }
    }
    line
}

fn changes_direction(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether two texts are the same name. The attributes of one relative name have no order, and the case of their kinds and
/// spaces around them mean nothing. `false` if one of them is not a name.
pub fn is_same_name(one: &str, other: &str) -> bool {
    parsed(one).is_some_and(|one| parsed(other).is_some_and(|other| one == other))
}

/// Whether `text` is a distinguished name as RFC 4514 writes it.
pub fn is_name(text: &str) -> bool {
    parsed(text).is_some()
}

/// Kind, whether the value is in hexadecimal, and value.
type ParsedAttribute = (String, bool, Vec<u8>);

fn parsed(text: &str) -> Option<Vec<Vec<ParsedAttribute>>> {
    let relative = |text: &str| {
        let mut attributes = split(text, '+').into_iter().map(attribute).collect::<Option<Vec<_>>>()?;
        attributes.sort();
        Some(attributes)
    };
    split(text, ',').into_iter().map(relative).collect()
}

// At each `separator` that is not escaped.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut is_escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if !is_escaped && c == separator {
            parts.push(&text[start..at]);
            start = at + c.len_utf8();
        }
        is_escaped = !is_escaped && c == '\\';
    }
    parts.push(&text[start..]);
    parts
}

fn attribute(text: &str) -> Option<ParsedAttribute> {
    let (kind, value) = text.split_once('=')?;
    let kind = kind.trim().to_ascii_lowercase();
    let is_kind =
        !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let mut value = value.trim_start_matches(' ');
    while value.ends_with(' ') && !value.ends_with("\\ ") {
        value = &value[..value.len() - 1];
    }
    let (is_hex, value) = match value.strip_prefix('#') {
        Some(digits) => (true, hex::decode(digits).ok()?),
        None => (false, unescaped(value)?),
    };
    is_kind.then_some((kind, is_hex, value))
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        rest = match (first, after) {
            (b'\\', [one, two, after @ ..]) if one.is_ascii_hexdigit() && two.is_ascii_hexdigit() => {
                bytes.extend(hex::decode([*one, *two]).ok()?);
                after
            }
            (b'\\', [escaped, after @ ..]) => {
                bytes.push(*escaped);
                after
            }
            (b'\\', []) => return None,
            (byte, after) => {
                bytes.push(*byte);
                after
            }
        };
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use openssl::x509::X509Name;

    use super::*;

    fn name(parts: &[(Nid, &str)]) -> X509Name {
        let mut name = X509Name::builder().unwrap();
        for (nid, text) in parts {
            name.append_entry_by_nid(*nid, text).unwrap();
        }
        name.build()
    }

    #[test]
    fn a_name_is_escaped_on_one_line() {
        let line = |common| distinguished_name(&name(&[(Nid::ORGANIZATIONNAME, "Org"), (Nid::COMMONNAME, common)]));
        assert_eq!(line("otp"), "CN=otp,O=Org");
        assert_eq!(line("a,O=Bank"), "CN=a\\,O=Bank,O=Org");
        assert_eq!(line(" # "), "CN=\\ #\\ ,O=Org");
        assert_eq!(line("#1"), "CN=\\#1,O=Org");
        assert_eq!(line("a\r\n\u{202e}z"), "CN=a\\0D\\0A\\E2\\80\\AEz,O=Org");
        assert_eq!(line("Żółw"), "CN=Żółw,O=Org");
        for text in ["otp", "a,O=Bank", " # ", "#1", "a+b=c\\", "Żółw", "a\r\n\u{202e}z"] {
            assert!(is_same_name(&line(text), &line(text)), "{text}");
            assert!(!is_same_name(&line(text), &line("other")), "{text}");
        }
    }

    #[test]
    fn several_attributes_of_one_relative_name_are_one_part() {
        // SEQUENCE { SET { CN=otp, O=P } }, SEQUENCE { SET { O=P }, SET { CN=otp } }
        let cn: &[u8] = b"\x30\x0a\x06\x03\x55\x04\x03\x0c\x03otp";
        let o: &[u8] = b"\x30\x08\x06\x03\x55\x04\x0a\x0c\x01P";
        let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
        let set = |content: &[u8]| [&[SET, length(content)], content].concat();
        let sequence = |content: &[u8]| [&[SEQUENCE, length(content)], content].concat();
        let one = sequence(&set(&[cn, o].concat()));
        let two = sequence(&[set(o), set(cn)].concat());
        let shown = |der: &[u8]| distinguished_name(&X509Name::from_der(der).unwrap());

        assert_eq!((shown(&one).as_str(), shown(&two).as_str()), ("CN=otp+O=P", "CN=otp,O=P"));
        assert!(!is_same_name(&shown(&one), &shown(&two)));
        assert!(is_same_name("O=P+CN=otp", &shown(&one)) && is_same_name("o = P + cn = otp", &shown(&one)));
        assert!(is_same_name("CN=otp, O=P", &shown(&two)) && !is_same_name("O=P,CN=otp", &shown(&two)));
    }

    #[test]
    fn a_nul_is_shown_and_hides_nothing_behind_it() {
        let der = b"\x30\x11\x31\x0f\x30\x0d\x06\x03\x55\x04\x03\x0c\x06otp\x00cd";
        let shown = distinguished_name(&X509Name::from_der(der).unwrap());
        assert_eq!(shown, "CN=otp\\00cd");
        assert!(!is_same_name("CN=otp", &shown) && is_same_name("CN=otp\\00cd", &shown));
    }

    #[test]
    fn what_is_not_a_name_is_the_same_as_nothing() {
        for bad in ["", "otp", "CN", "=otp", "CN=otp,", "CN=otp+", "CN=a\\", "C N=a", "CN=#zz"] {
            assert!(!is_name(bad) && !is_same_name(bad, bad), "{bad}");
        }
        assert!(is_same_name("CN=#0C01", "cn=#0c01") && !is_same_name("CN=#0C01", "CN=\\#0C01"));
        assert!(is_same_name("CN=\\2Ca", "CN=\\,a") && is_same_name("CN=", "CN="));
    }
}
