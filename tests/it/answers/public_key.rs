//! `GET /public-key`: the same bytes each time, the old key until the new one is active, nothing without authorization.

use std::time::Duration;

use openssl::pkey::PKey;

use super::is_a_detail;
use crate::support::gateway_files::client;
use crate::support::jose::{DecryptionKeys, published};
use crate::support::sample_notification::SampleNotification;
use crate::support::{Gateway, Setup, otp};

fn get(path: &str) -> SampleNotification {
    otp().method("GET").path(path).without_body()
}

/// The key in the answer, as DER.
async fn published_key(gateway: &Gateway) -> Vec<u8> {
    let answer = gateway.post(&get("/public-key")).await.expect_status(200);
    let said: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(said.as_object().unwrap().len(), 1, "{said}");
    openssl::base64::decode_block(said["publicKey"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn the_public_key_is_answered_in_the_same_bytes_each_time() {
    let gateway = Gateway::start().await;
    let key = published(&gateway).await;

    let first = gateway.post(&get("/public-key")).await;
    let asked = gateway.post(&get("/public-key?format=pem&x=%00")).await;
    let restarted = gateway.restart().await;
    let again = restarted.post(&get("/public-key")).await;

    assert_eq!((first.status, first.header("content-type")), (200, Some("application/json")));
    assert_eq!((&asked.body, &again.body), (&first.body, &first.body));
    assert_eq!(published_key(&restarted).await, key.public_key_to_der().unwrap());
}

#[tokio::test]
async fn head_answers_the_length_and_leaves_the_connection_usable() {
    let gateway = Gateway::start().await;
    published(&gateway).await;
    let length = gateway.post(&get("/public-key")).await.body.len();
    let mut line = gateway.line().await;

    line.send(&get("/public-key").method("HEAD").request()).await;
    let head = line.head().await.unwrap();
    line.send(&get("/public-key").request()).await;
    let next = line.answer().await.unwrap();

    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), Some(length.to_string().as_str()));
    assert_eq!((next.status, next.body.len()), (200, length));
}

#[tokio::test]
async fn other_methods_other_paths_and_a_body_are_rejected() {
    let gateway = Gateway::start().await;
    published(&gateway).await;

    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = gateway.post(&otp().method(method).path("/public-key")).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
        assert!(is_a_detail(&answer.body), "{}", answer.body);
    }
    for path in
        ["/public-key/", "//public-key", "/public-keys", "/Public-Key", "/public%2dkey", "/notifications/public-key"]
    {
        assert_eq!(gateway.post(&get(path)).await.status, 404, "{path}");
    }
    let with_body = gateway.post(&get("/public-key").body("x")).await;
    let chunked = b"GET /public-key HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    let chunked = gateway.exchange(&gateway.files.processor, chunked).await;
    assert_eq!((with_body.status, chunked.status), (400, 400));
    assert!(with_body.closes() && is_a_detail(&with_body.body), "{with_body:?}");
}

#[tokio::test]
async fn an_unauthorized_client_gets_no_public_key() {
    let gateway = Gateway::start().await;
    published(&gateway).await;

    let unlisted = gateway.post_as(&client(&gateway.files.authority, "unlisted"), &get("/public-key")).await;

    assert_eq!(unlisted.status, 403);
    assert!(is_a_detail(&unlisted.body));
}

#[tokio::test]
async fn without_an_active_key_the_public_key_is_unavailable() {
    let gateway = Gateway::start().await;
    let without = gateway.post(&get("/public-key")).await;
    DecryptionKeys::of(&gateway).stage(&gateway);
    gateway.reload().await.unwrap();
    let staged = gateway.post(&get("/public-key")).await;

    for answer in [without, staged] {
        assert_eq!(answer.status, 503);
        assert!(is_a_detail(&answer.body), "{}", answer.body);
    }
}

#[tokio::test]
async fn the_old_key_is_published_until_the_new_one_becomes_active_by_itself() {
    let gateway = Gateway::start().await;
    let mut keys = DecryptionKeys::of(&gateway);
    let (old, new) = (keys.stage(&gateway), keys.stage(&gateway));
    let time = gateway.now().after(Duration::from_hours(1));
    keys.activate(&old, gateway.now(), &gateway);
    keys.activate(&new, time, &gateway);
    gateway.reload().await.unwrap();
    let der = |id: &str| keys.private(id).public_key_to_der().unwrap();

    gateway.clock.move_to(time.before(Duration::from_micros(1)));
    let before = published_key(&gateway).await;
    gateway.post(&otp().sealed(&keys.public(&new))).await.expect_status(204);
    gateway.clock.move_to(time);
    let after = published_key(&gateway).await;
    gateway.post(&otp().sealed(&keys.public(&old))).await.expect_status(204);

    assert_eq!((before, after), (der(&old), der(&new)));
}

#[tokio::test]
async fn with_a_base_path_the_public_key_is_below_it_only() {
    let gateway = Setup::new().ingest("base_path = \"/bank\"\npublic_key_format = \"pem\"").start().await;
    let key = published(&gateway).await;

    let there = gateway.post(&get("/bank/public-key")).await.expect_status(200);
    let here = gateway.post(&get("/public-key")).await;

    let said: serde_json::Value = serde_json::from_str(&there.body).unwrap();
    let pem = said["publicKey"].as_str().unwrap();
    assert!(PKey::public_key_from_pem(pem.as_bytes()).unwrap().public_eq(&key));
    assert_eq!(here.status, 404);
}
