//! The parsers of `ingest` without a socket, a certificate or a store, for fuzzing and property tests.
//!
//! Only in builds with the feature `testing`.

use actix_web::HttpRequest;
use zeroize::Zeroizing;

use super::body;
use super::jwe::envelope;
use super::problem::Problem;
use super::processor::Endpoint;
use crate::domain::clock::Timestamp;
use crate::domain::notification::ClientName;
use crate::flow::intake::IncomingNotification;

/// Parses a plain body that arrived at `endpoint` at `now`. A rejection is the `detail` of the answer.
pub fn parse(endpoint: &Endpoint, body: &[u8], now: Timestamp) -> Result<IncomingNotification, String> {
    endpoint.parse(body, ClientName("fuzz".to_owned()), None, now).map_err(Problem::detail)
}

/// Checks the headers of a notification and returns its idempotency key. A rejection is the `detail` of the answer.
pub fn headers(request: &HttpRequest) -> Result<Option<String>, String> {
    body::check_headers(request).and_then(|()| body::idempotency_key(request)).map_err(Problem::detail)
}

/// Whether the headers announce an encrypted body.
pub fn announced(request: &HttpRequest) -> bool {
    envelope::announced(request)
}

/// The encrypted text in a body that was not announced as encrypted, if it has the form of one.
pub fn unannounced(body: &[u8]) -> Option<Zeroizing<String>> {
    envelope::unannounced(body)
}
