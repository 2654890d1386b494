//! The bodies of notifications: the first byte chooses the endpoint, the rest is the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use otpost::domain::clock::Timestamp;
use otpost::ingest::fuzz_api;
use otpost::ingest::processor::endpoints;

/// 2025-06-17T13:42:54Z, the date of the published samples.
const NOW: Timestamp = Timestamp::from_micros(1_750_167_774_000_000);

/// Longer than every `detail` of an answer.
const DETAIL_MAX: usize = 120;

fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else { return };
    let Some(endpoint) = endpoints().nth(usize::from(*choice) % endpoints().count()) else { return };

    let read = fuzz_api::parse(endpoint, body, NOW);

    match &read {
        Ok(arrival) => {
            assert!(!arrival.identifiers.is_empty(), "no recipient");
            assert!(arrival.identifiers.iter().all(|identifier| (1..=64).contains(&identifier.value.len())));
            assert!(serde_json::from_slice::<serde_json::Value>(without_mark(body)).is_ok(), "accepted, but not JSON");
        }
        Err(detail) => assert!(detail.is_ascii() && detail.len() <= DETAIL_MAX, "detail: {detail}"),
    }
    assert_eq!(format!("{read:?}"), format!("{:?}", fuzz_api::parse(endpoint, body, NOW)), "parsed twice with two results");
});

fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}
