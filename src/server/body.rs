//! Reads a request body within limits of size and time.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::Payload;
use futures_util::StreamExt;
use zeroize::Zeroizing;

/// Time for a whole body. HTTP itself sets no limit.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    TooLarge,
    TooSlow,
    /// The connection or the framing of the request is broken.
    Unreadable,
}

/// Reads a body of at most `limit` bytes. The buffer is zeroed on drop.
///
/// A larger body is read and discarded up to `discard_limit` bytes, so that the client can read the answer.
pub async fn read_body(
    request: &HttpRequest,
    payload: Payload,
    limit: usize,
    discard_limit: usize,
) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|n| n.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > discard_limit) {
        return Err(BodyError::TooLarge);
    }
    // The whole capacity at once: a buffer that grows would leave copies of the code behind.
    let body = Zeroizing::new(Vec::with_capacity(declared.unwrap_or(limit).min(limit)));
    tokio::time::timeout(BODY_TIMEOUT, collect(payload, body, limit, discard_limit))
        .await
        .unwrap_or(Err(BodyError::TooSlow))
}

async fn collect(
    mut payload: Payload,
    mut body: Zeroizing<Vec<u8>>,
    limit: usize,
    discard_limit: usize,
) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    let mut length = 0;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| BodyError::Unreadable)?;
        length += chunk.len();
        if length > discard_limit {
            return Err(BodyError::TooLarge);
        }
        if length <= limit {
            body.extend_from_slice(&chunk);
        }
    }
    if length <= limit { Ok(body) } else { Err(BodyError::TooLarge) }
}
