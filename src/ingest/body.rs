//! Headers and bytes of a request, within limits of size and time, before anybody looks inside.

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::Payload;
use zeroize::Zeroizing;

use super::problem::Problem;
use crate::server::{BodyError, read_body};

/// The largest notification of the contract is under 2 KiB.
pub(super) const BODY_MAX: usize = 16 * 1024;

/// The same in base64, with a wrapped key of 4096 bits and a header of 1 KiB, makes 24 KiB.
const ENCRYPTED_MAX: usize = 32 * 1024;

/// A larger encrypted body is read and thrown away up to here, so that its sender can read the answer that all
/// encrypted bodies get which cannot be opened.
const DISCARDED_MAX: usize = 2 * 1024 * 1024;

const KEY: &str = "X-Idempotency-Key";
const KEY_MAX: usize = 255;

/// JSON, or nothing said about it, and not compressed. A header that comes twice, in two lines or in one, counts as often.
pub(super) fn check_headers(request: &HttpRequest) -> Result<(), Problem> {
    let are_all = |name, fits: fn(&str) -> bool| {
        let values = request.headers().get_all(name);
        values.map(|value| value.to_str().unwrap_or_default()).flat_map(items).all(fits)
    };
    let is_plain = are_all(header::CONTENT_ENCODING, |coding| coding.eq_ignore_ascii_case("identity"));
    if is_plain && are_all(header::CONTENT_TYPE, is_json) { Ok(()) } else { Err(Problem::UnsupportedMedia) }
}

// The items of a list; a comma in a quoted parameter separates none (RFC 9110, 5.6.1).
fn items(list: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let separates = move |c: char| {
        let is_quote = c == '"' && !escaped;
        quoted ^= is_quote;
        escaped = quoted && c == '\\' && !escaped;
        c == ',' && !quoted
    };
    list.split(separates).map(|item| item.trim_matches([' ', '\t']))
}

fn is_json(media: &str) -> bool {
    let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The key the sender gave: 1 to 255 printable ASCII characters; the same one twice is one.
pub(super) fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let mut given = request.headers().get_all(KEY);
    let Some(first) = given.next() else { return Ok(None) };
    if given.any(|other| other != first) {
        return Err(Problem::Invalid(KEY, "given twice and different"));
    }
    let bytes = first.as_bytes();
    if !(1..=KEY_MAX).contains(&bytes.len()) || !bytes.iter().all(|b| (0x20..0x7f).contains(b)) {
        return Err(Problem::Invalid(KEY, "expected 1 to 255 printable ASCII characters"));
    }
    Ok(first.to_str().ok().map(str::to_owned))
}

/// There must be none.
pub(super) fn refuse(request: &HttpRequest) -> Result<(), Problem> {
    let headers = request.headers();
    let empty = headers.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0");
    if empty && !headers.contains_key(header::TRANSFER_ENCODING) { Ok(()) } else { Err(Problem::Unreadable) }
}

/// The whole body of a plain notification, zeroed on drop.
pub(super) async fn read(request: &HttpRequest, payload: Payload) -> Result<Zeroizing<Vec<u8>>, Problem> {
    Ok(read_body(request, payload, BODY_MAX, BODY_MAX).await?)
}

/// The whole body around an encrypted notification.
pub(super) async fn read_encrypted(request: &HttpRequest, payload: Payload) -> Result<Zeroizing<Vec<u8>>, Problem> {
    read_body(request, payload, ENCRYPTED_MAX, DISCARDED_MAX).await.map_err(|error| match error {
        BodyError::TooLarge => Problem::Undecipherable("larger than 32 KiB"),
        other => other.into(),
    })
}
