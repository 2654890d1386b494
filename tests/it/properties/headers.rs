//! Headers of a notification.

use actix_web::http::header::HeaderValue;
use actix_web::test::TestRequest;
use otpost::ingest::fuzz_api;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::cases;

#[test]
fn an_idempotency_key_is_1_to_255_printable_ascii_characters_and_kept_as_it_is() {
    let value = prop_oneof![
        "[ -~]{0,300}".prop_map(String::into_bytes),
        "\\PC{0,40}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    let tried = TestRunner::new(cases(600)).run(&(value, 1_usize..3), |(value, times)| {
        let Ok(header) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let mut request = TestRequest::post();
        for _ in 0..times {
            request = request.append_header(("X-Idempotency-Key", header.clone()));
        }

        let read = fuzz_api::headers(&request.to_http_request());

        let fits = (1..=255).contains(&value.len()) && value.iter().all(|byte| (b' '..=b'~').contains(byte));
        match read {
            Ok(key) => prop_assert!(fits && key.as_deref().map(str::as_bytes) == Some(value.as_slice())),
            Err(detail) => {
                prop_assert!(!fits);
                prop_assert_eq!(detail, "X-Idempotency-Key: expected 1 to 255 printable ASCII characters");
            }
        }
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn two_different_keys_are_rejected() {
    let tried = TestRunner::new(cases(300)).run(&("[!-~]{1,20}", "[!-~]{1,20}"), |(one, two)| {
        let key = "X-Idempotency-Key";
        let request = TestRequest::post().append_header((key, one.clone())).append_header((key, two.clone()));

        let read = fuzz_api::headers(&request.to_http_request());

        prop_assert_eq!(read.is_ok(), one == two);
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn a_media_type_is_accepted_exactly_when_it_is_json() {
    let media = prop_oneof![
        "application/([a-z]{0,8}\\+)?json(; ?charset=[a-zA-Z0-9\"-]{0,12})?",
        "[a-zA-Z]{1,12}/[a-zA-Z+.-]{1,16}",
        "\\PC{0,40}",
    ];
    let tried = TestRunner::new(cases(400)).run(&media, |media| {
        let Ok(header) = HeaderValue::from_str(&media) else { return Ok(()) };
        let request = TestRequest::post().insert_header(("Content-Type", header));

        let read = fuzz_api::headers(&request.to_http_request());

        let kind = media.split(';').next().unwrap().trim().to_ascii_lowercase();
        let json = kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"));
        prop_assert_eq!(read.is_ok(), json && media.bytes().all(|byte| byte.is_ascii()), "{}", media);
        Ok(())
    });
    tried.unwrap();
}
