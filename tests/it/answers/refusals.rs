//! Paths and methods, and the times when nothing is taken.

use super::is_a_detail;
use crate::support::{Gateway, Setup, locked, otp};

#[tokio::test]
async fn a_path_that_is_not_exactly_one_of_the_contract_is_not_found() {
    let gateway = Gateway::start().await;

    for path in [
        "/",
        "/notifications",
        "/notifications/otp/",
        "//notifications/otp",
        "/notifications//otp",
        "/notifications/%2e%2e/notifications/otp",
        "/notifications/x/../otp",
        "/notifications/%6ftp",
        "/notifications/OTP",
        "/notifications/otp;x=1",
        "/notifications/cardlocked",
        "/healthz",
        "/metrics",
    ] {
        for method in ["POST", "GET", "DELETE"] {
            let answer = gateway.post(&otp().path(path).method(method)).await;
            assert_eq!(answer.status, 404, "{method} {path}");
            assert!(is_a_detail(&answer.body), "{method} {path}: {}", answer.body);
        }
    }

    assert!(gateway.deliveries().await.is_empty());
}

#[tokio::test]
async fn a_query_changes_nothing() {
    let gateway = Gateway::start().await;
    gateway.post(&otp().path("/notifications/otp?retry=1")).await.expect_status(204);
}

#[tokio::test]
async fn another_method_is_told_which_one_is_taken() {
    let gateway = Gateway::start().await;

    for path in ["/notifications/otp", "/notifications/cardLocked", "/notifications/cardUnlocked"] {
        for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "post", "FETCH"] {
            let answer = gateway.post(&otp().path(path).method(method)).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), Some("POST"), "{method} {path}");
            assert!(is_a_detail(&answer.body), "{method} {path}: {}", answer.body);
        }
    }

    assert!(gateway.deliveries().await.is_empty());
}

#[tokio::test]
async fn a_configured_base_path_stands_before_every_path() {
    let gateway = Setup::new().ingest("base_path = \"/bank/otpost\"").start().await;

    for (path, status) in [
        ("/bank/otpost/notifications/otp", 204),
        ("/notifications/otp", 404),
        ("/bank/otpostnotifications/otp", 404),
        ("/bank/otpost//notifications/otp", 404),
    ] {
        assert_eq!(gateway.post(&otp().path(path)).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn with_a_disk_that_is_nearly_full_nothing_is_said_to_be_taken() {
    let gateway = Setup::new().min_free(9_000_000_000_000_000_000).start().await;

    for notice in [otp(), otp().key("k"), locked(gateway.now())] {
        let answer = gateway.post(&notice).await;
        assert_eq!(answer.status, 503);
        assert!(is_a_detail(&answer.body), "{}", answer.body);
    }

    assert!(gateway.deliveries().await.is_empty());
}

#[tokio::test]
async fn with_a_database_that_has_ended_nothing_is_said_to_be_taken() {
    let gateway = Gateway::start().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;

    gateway.store().close().await.unwrap();

    assert_eq!(gateway.post(&otp()).await.status, 503);
}
