//! Paths and methods, and the states in which nothing is accepted.

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::{CANARY, is_a_detail};
use crate::support::sample_notification::{SampleNotification, every};
use crate::support::{Gateway, Setup, otp, recipient};

#[tokio::test]
async fn any_other_path_is_not_found() {
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
        "/notifications/C4n4ry",
    ] {
        for method in ["POST", "GET", "DELETE"] {
            let answer = gateway.post(&otp().path(path).method(method)).await;
            assert_eq!(answer.status, 404, "{method} {path}");
            assert!(is_a_detail(&answer.body), "{method} {path}: {}", answer.body);
            assert!(!answer.body.contains(CANARY), "{method} {path}: {}", answer.body);
        }
    }

    assert!(gateway.deliveries().await.is_empty());
}

#[tokio::test]
async fn every_endpoint_has_exactly_one_path() {
    let gateway = Gateway::start().await;

    for notice in every(gateway.now()) {
        let path = notice.path.clone();
        let last = path.rsplit('/').next().unwrap();
        for wrong in [
            format!("{path}/"),
            format!("/{path}"),
            path.replacen("/notifications/", "/notifications//", 1),
            path.replacen("/notifications/", "/notifications/%2e%2e/notifications/", 1),
            path.replacen("/notifications/", "/notifications/x/../", 1),
            path.replacen(last, &format!("%{:02x}{}", last.as_bytes()[0], &last[1..]), 1),
            path.to_uppercase(),
            format!("{path};x=1"),
            format!("{path}s"),
            format!("/{last}"),
        ] {
            let answer = gateway.post(&notice.clone().path(&wrong)).await;
            assert_eq!(answer.status, 404, "{wrong}");
            assert!(is_a_detail(&answer.body), "{wrong}: {}", answer.body);
        }
    }

    assert!(gateway.deliveries().await.is_empty());
}

#[tokio::test]
async fn a_query_is_ignored() {
    let gateway = Gateway::start().await;
    for notice in every(gateway.now()) {
        let path = format!("{}?retry=1", notice.path);
        gateway.post(&notice.path(&path)).await.expect_status(204);
    }
}

#[tokio::test]
async fn another_method_is_answered_with_the_allowed_one() {
    let gateway = Gateway::start().await;

    for SampleNotification { path, .. } in every(gateway.now()) {
        for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "post", "FETCH"] {
            let answer = gateway.post(&otp().path(&path).method(method)).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), Some("POST"), "{method} {path}");
            assert!(is_a_detail(&answer.body), "{method} {path}: {}", answer.body);
        }
    }

    assert!(gateway.deliveries().await.is_empty());
}

#[tokio::test]
async fn a_base_path_is_a_prefix_of_every_path() {
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
async fn with_a_nearly_full_disk_nothing_is_accepted() {
    let gateway = Setup::new().min_free(9_000_000_000_000_000_000).start().await;

    for notice in every(gateway.now()).into_iter().chain([otp().key("k")]) {
        let answer = gateway.post(&notice).await;
        assert_eq!(answer.status, 503);
        assert!(is_a_detail(&answer.body), "{}", answer.body);
    }

    assert!(gateway.deliveries().await.is_empty());
}

#[tokio::test]
async fn after_a_database_rejected_a_row_nothing_is_accepted_any_more() {
    let gateway = Gateway::start().await;
    let file = SqliteConnectOptions::new().filename(gateway.files.path("otpost.db"));
    let mut database = file.connect().await.unwrap();
    let broken = "CREATE TRIGGER broken BEFORE INSERT ON delivery BEGIN SELECT RAISE(ABORT, 'broken'); END";
    sqlx::query(broken).execute(&mut database).await.unwrap();

    let first = gateway.post(&otp().key("lost")).await;
    gateway.store().failed().await;
    sqlx::query("DROP TRIGGER broken").execute(&mut database).await.unwrap();
    let second = gateway.post(&otp().key("lost")).await;
    let gateway = gateway.crash().await;
    let third = gateway.post(&otp().key("lost")).await;

    assert_eq!([first.status, second.status, third.status], [503, 503, 204]);
    assert_eq!(gateway.deliveries().await.len(), 1);
}

// Takes ten real seconds: the cleanup task and the writer each wait five for the file.
#[tokio::test]
async fn while_another_process_locks_the_database_nothing_is_accepted() {
    let gateway = Gateway::start().await;
    let file = SqliteConnectOptions::new().filename(gateway.files.path("otpost.db"));
    let mut database = file.connect().await.unwrap();

    sqlx::query("BEGIN IMMEDIATE").execute(&mut database).await.unwrap();
    let refused = gateway.post(&otp()).await;
    sqlx::query("ROLLBACK").execute(&mut database).await.unwrap();

    assert_eq!(refused.status, 503);
    gateway.post(&otp()).await.expect_status(204);
    assert_eq!(gateway.deliveries().await.len(), 1);
}

#[tokio::test]
async fn a_hundred_otps_for_one_customer_are_all_accepted() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("one").customer("1337").phone("+48600100200")]).await;
    let mut line = gateway.line().await;

    for _ in 0..100 {
        line.send(&otp().request()).await;
        line.answer().await.unwrap().expect_status(204);
    }
    gateway.drain().await;

    assert_eq!(gateway.sms("primary").received().len(), 100);
}

#[tokio::test]
async fn with_a_closed_database_nothing_is_accepted() {
    let gateway = Gateway::start().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;

    gateway.store().close().await.unwrap();

    assert_eq!(gateway.post(&otp()).await.status, 503);
}
