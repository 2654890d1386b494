//! What stands around an encrypted body: a header that says so, and an object with one field.
//!
//! Decides only whether a body is encrypted and where; opening it is not done here.

use actix_web::HttpRequest;
use zeroize::Zeroizing;

use crate::ingest::fields::{Field, Fields};
use crate::ingest::problem::Problem;

const HEADER: &str = "Encrypted-Request";
const FIELD: &str = "payload";

/// Whether the sender says that it has encrypted the body. Any case of `true`; every other value means it has not.
pub(crate) fn announced(request: &HttpRequest) -> bool {
    request.headers().get_all(HEADER).any(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"true"))
}

/// The encrypted text in a body of which its sender says so.
pub(crate) fn payload(body: &[u8]) -> Result<Zeroizing<String>, Problem> {
    take(body).map(|(payload, _)| payload).ok_or(Problem::Undecipherable)
}

/// The encrypted text in a body of which nobody said so: no notification of the contract is an object with just this
/// field, and of its form. A gateway between that drops a header must not cost a code.
pub(crate) fn unannounced(body: &[u8]) -> Option<Zeroizing<String>> {
    // Nearly no plain body gets further, so that it is not read twice.
    if !body.windows(FIELD.len()).any(|window| window == FIELD.as_bytes()) {
        return None;
    }
    let (payload, alone) = take(body)?;
    (alone && payload.bytes().filter(|byte| *byte == b'.').count() == 4).then_some(payload)
}

fn take(body: &[u8]) -> Option<(Zeroizing<String>, bool)> {
    let mut fields = Fields::read(body, &[FIELD]).ok()?;
    match fields.take(FIELD) {
        Some(Field::Template(ref mut text)) => Some((Zeroizing::new(std::mem::take(text)), fields.is_all())),
        _ => None,
    }
}
