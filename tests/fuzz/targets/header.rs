//! The parts of a request head that otpost parses itself: the path, and headers, one a line, each with a letter that
//! stands for its name, or its name and a colon.
//!
//! The certificate that a proxy passes in a header (`Client-Cert`, RFC 9440) can be added as one more name below and one
//! more call.
#![no_main]

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::test::TestRequest;
use libfuzzer_sys::fuzz_target;
use otpost::ingest::fuzz_api;
use otpost::ingest::processor::at;

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let path = lines.next().unwrap_or_default();
    if let Some((_, endpoint)) = std::str::from_utf8(path).ok().and_then(at) {
        assert_eq!(endpoint.path.as_bytes(), path);
    }
    let mut request = TestRequest::post();
    for header in lines.take(32).filter_map(header) {
        request = request.append_header(header);
    }
    let request = request.to_http_request();

    let announced = fuzz_api::announced(&request);
    let read = fuzz_api::headers(&request);

    if let Ok(Some(key)) = read {
        assert!((1..=255).contains(&key.len()) && key.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        assert_eq!(request.headers().get("X-Idempotency-Key").map(HeaderValue::as_bytes), Some(key.as_bytes()));
    }
    assert!(!announced || request.headers().contains_key("Encrypted-Request"));
});

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = match line.split_first()? {
        (b'k', value) => (HeaderName::from_static("x-idempotency-key"), value),
        (b't', value) => (HeaderName::from_static("content-type"), value),
        (b'c', value) => (HeaderName::from_static("content-encoding"), value),
        (b'e', value) => (HeaderName::from_static("encrypted-request"), value),
        _ => {
            let colon = line.iter().position(|byte| *byte == b':')?;
            (HeaderName::from_bytes(&line[..colon]).ok()?, &line[colon + 1..])
        }
    };
    Some((name, HeaderValue::from_bytes(value).ok()?))
}
