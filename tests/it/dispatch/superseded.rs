//! A newer OTP for the same purchase replaces one that still waits, and no other.

use std::time::Duration;

use crate::support::{Gateway, Setup, otp, recipient};

async fn outage() -> Gateway {
    let gateway = Setup::new().timeout("300ms").start().await;
    gateway.knows([recipient("holder").customer("1337").phone("+48600100200")]).await;
    gateway.sms("primary").answers(503);
    gateway.sms("backup").answers(503);
    gateway
}

fn recover(gateway: &Gateway) {
    gateway.sms("primary").recovers();
    gateway.sms("backup").recovers();
}

async fn endings(gateway: &Gateway) -> Vec<(String, Option<String>)> {
    gateway.deliveries().await.into_iter().map(|line| (line.state, line.end_reason)).collect()
}

fn sent() -> (String, Option<String>) {
    ("sent".to_owned(), None)
}

fn superseded() -> (String, Option<String>) {
    ("superseded".to_owned(), Some("superseded".to_owned()))
}

#[tokio::test]
async fn a_waiting_otp_is_not_sent_after_a_newer_one_is_accepted() {
    let gateway = outage().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;

    recover(&gateway);
    gateway.post(&otp().code("23421234")).await.expect_status(204);
    gateway.drain().await;

    assert_eq!(endings(&gateway).await, [superseded(), sent()]);
    assert_eq!(gateway.received(), 1);
    assert!(gateway.sms("primary").received()[0].text.contains("23421234"));
}

#[tokio::test]
async fn an_otp_for_another_merchant_card_or_amount_supersedes_nothing() {
    let gateway = outage().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;

    recover(&gateway);
    gateway.post(&otp().with("merchantName", "another")).await.expect_status(204);
    gateway.post(&otp().with("storageCardId", "7")).await.expect_status(204);
    gateway.post(&otp().with("amount", "99900")).await.expect_status(204);
    gateway.post(&otp().with("currency", "EUR")).await.expect_status(204);
    gateway.drain().await;

    assert_eq!(endings(&gateway).await, vec![sent(); 5]);
}

#[tokio::test]
async fn the_name_of_a_merchant_is_compared_as_it_is_read() {
    let gateway = outage().await;
    gateway.post(&otp().with("merchantName", "Harbour Books")).await.expect_status(204);
    gateway.settle().await;

    recover(&gateway);
    gateway.post(&otp().with("merchantName", " HARBOUR  BOOKS\u{200b} ")).await.expect_status(204);
    gateway.drain().await;

    assert_eq!(endings(&gateway).await, [superseded(), sent()]);
}

#[tokio::test]
async fn otps_without_the_name_of_a_merchant_supersede_nothing() {
    for blank in ["-", "...", "\u{200b}"] {
        let gateway = outage().await;
        gateway.post(&otp().with("merchantName", blank)).await.expect_status(204);
        gateway.settle().await;

        recover(&gateway);
        gateway.post(&otp().with("merchantName", blank)).await.expect_status(204);
        gateway.drain().await;

        assert_eq!(endings(&gateway).await, [sent(), sent()], "{blank:?}");
    }
}

#[tokio::test]
async fn an_otp_that_a_provider_may_have_ends_unconfirmed_and_is_not_sent_again() {
    let gateway = outage().await;
    gateway.sms("primary").swallows();
    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;

    recover(&gateway);
    gateway.post(&otp().code("23421234")).await.expect_status(204);
    gateway.drain().await;

    assert_eq!(endings(&gateway).await, [("unconfirmed".to_owned(), None), sent()]);
    assert_eq!(gateway.received(), 1);
}

#[tokio::test]
async fn superseding_survives_a_crash() {
    let gateway = outage().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;
    gateway.post(&otp().code("23421234")).await.expect_status(204);
    gateway.settle().await;

    let gateway = gateway.crash().await;
    recover(&gateway);
    gateway.drain().await;

    assert_eq!(endings(&gateway).await, [superseded(), sent()]);
}

#[tokio::test]
async fn an_equal_otp_is_sent_again_after_the_first_was_sent() {
    let gateway = outage().await;
    recover(&gateway);

    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;
    gateway.clock.move_on(Duration::from_secs(30));
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;

    assert_eq!(endings(&gateway).await, [sent(), sent()]);
}
