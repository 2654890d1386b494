//! The door's readers without the door: for fuzzing and measuring.
//!
//! No socket, no certificate, no store: bytes and headers in, what the door would make of them out. Nothing of the
//! gateway itself calls this.

use actix_web::HttpRequest;
use zeroize::Zeroizing;

use super::body;
use super::jwe::envelope;
use super::problem::Problem;
use super::verestro::Endpoint;
use crate::domain::clock::Timestamp;
use crate::domain::notification::ClientName;
use crate::flow::intake::IncomingNotification;

/// Reads a plain body that came to `endpoint` at `now`. Refused, it gives the `detail` of the answer.
pub fn read(endpoint: Endpoint, body: &[u8], now: Timestamp) -> Result<IncomingNotification, String> {
    endpoint.read(body, ClientName("bare".to_owned()), None, now).map_err(Problem::detail)
}

/// Reads the headers of a notification and gives its idempotency key. Refused, it gives the `detail` of the answer.
pub fn headers(request: &HttpRequest) -> Result<Option<String>, String> {
    body::check_headers(request).and_then(|()| body::idempotency_key(request)).map_err(Problem::detail)
}

/// Whether the headers say that the body is encrypted.
pub fn announced(request: &HttpRequest) -> bool {
    envelope::announced(request)
}

/// The encrypted text in a body, if it looks like one that nobody announced.
pub fn unannounced(body: &[u8]) -> Option<Zeroizing<String>> {
    envelope::unannounced(body)
}
