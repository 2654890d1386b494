//! The envelope of an encrypted body: a header that announces it, and an object with one field.
//!
//! Decides only whether a body is encrypted and finds the encrypted text; it decrypts nothing.

use actix_web::HttpRequest;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::ingest::problem::Problem;
use crate::ingest::strict_json::{self, JsonValue};

/// The header that announces an encrypted body.
pub(crate) const HEADER: &str = "Encrypted-Request";
const FIELD: &str = "payload";

/// Whether the headers announce an encrypted body: `true` in any case. Any other value means that it is plain.
pub(crate) fn announced(request: &HttpRequest) -> bool {
    request.headers().get_all(HEADER).any(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"true"))
}

/// The encrypted text in a body that was announced as encrypted.
pub(crate) fn payload(body: &[u8]) -> Result<Zeroizing<String>, Problem> {
    take(body).map(|(payload, _)| payload).ok_or(Problem::Undecipherable("announced as encrypted, and has no payload"))
}

/// The encrypted text in a body that was not announced as encrypted. No notification is an object with only this field
/// and a value of this form. A proxy that drops the header must not cost a code.
pub(crate) fn unannounced(body: &[u8]) -> Option<Zeroizing<String>> {
    // Nearly every plain body ends here and is not parsed twice.
    if !body.windows(FIELD.len()).any(|window| window == FIELD.as_bytes()) {
        return None;
    }
    let (payload, fields) = take(body)?;
    (fields == 1 && payload.bytes().filter(|byte| *byte == b'.').count() == 4).then_some(payload)
}

// The text, and how many fields the body has.
fn take(body: &[u8]) -> Option<(Zeroizing<String>, usize)> {
    let parsed = strict_json::parse::<Envelope>(body).ok()?;
    match parsed.value.payload {
        JsonValue::Text(text) => Some((text, parsed.fields)),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Envelope {
    payload: JsonValue,
}
