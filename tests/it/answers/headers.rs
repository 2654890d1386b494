//! Content types, idempotency keys, and other headers.

use super::{Accepted, CANARY, Expect, Rejected, check, is_a_detail};
use crate::support::{Gateway, otp};

#[tokio::test]
async fn only_json_media_types_are_accepted() {
    let gateway = Gateway::start().await;
    let of = |media: &str| otp().without_headers().header("Content-Type", media);

    gateway.post(&otp().without_headers()).await.expect_status(204);
    for media in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/problem+json",
        "application/vnd.processor.v1+json",
    ] {
        gateway.post(&of(media)).await.expect_status(204);
    }
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "text/json",
        "application/jsonx",
        "json",
        "*/*",
        CANARY,
        "",
    ] {
        let answer = gateway.post(&of(media)).await;
        assert_eq!(answer.status, 415, "{media}");
        assert!(is_a_detail(&answer.body) && !answer.body.contains(CANARY), "{media}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_compressed_body_is_rejected() {
    let gateway = Gateway::start().await;

    for coding in ["gzip", "deflate", "br", "gzip, gzip", "identity, gzip"] {
        let answer = gateway.post(&otp().header("Content-Encoding", coding)).await;
        assert_eq!(answer.status, 415, "{coding}");
    }

    gateway.post(&otp().header("Content-Encoding", "identity")).await.expect_status(204);
}

#[tokio::test]
async fn a_client_that_expects_100_continue_gets_it() {
    let gateway = Gateway::start().await;
    let mut line = gateway.line().await;
    let notice = otp().header("Expect", "100-continue");
    let (whole, body) = (notice.request(), notice.bytes());

    line.send(&whole[..whole.len() - body.len()]).await;
    line.asked_to_continue().await;
    line.send(&body).await;

    line.answer().await.unwrap().expect_status(204);
}

#[tokio::test]
async fn an_idempotency_key_is_printable_ascii_of_1_to_255_characters_or_absent() {
    let gateway = Gateway::start().await;
    let key = |key: &str| otp().key(key);
    let rows: Vec<(&str, _, Expect)> = vec![
        ("absent", otp(), Accepted),
        ("a UUID", key("0b0ce8f4-8a3c-4b0e-9a80-0d9b2f3c1f11"), Accepted),
        ("one character", key("1"), Accepted),
        ("255 characters", key(&"k".repeat(255)), Accepted),
        ("blank inside", key("a b"), Accepted),
        ("two equal headers", key("equal").key("equal"), Accepted),
        ("empty", key(""), Rejected("X-Idempotency-Key")),
        ("256 characters", key(&format!("{CANARY}{}", "k".repeat(250))), Rejected("X-Idempotency-Key")),
        ("tab inside", key(&format!("{CANARY}\tx")), Rejected("X-Idempotency-Key")),
        ("non-ASCII", key(&format!("{CANARY}ż")), Rejected("X-Idempotency-Key")),
        ("two different headers", key(CANARY).key("other"), Rejected("X-Idempotency-Key")),
    ];

    for (row, notice, expected) in rows {
        check(&gateway, row, &notice, expected).await;
    }
}
