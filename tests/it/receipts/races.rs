//! Receipts that arrive before the provider's answer, and a crash in between.

use std::time::Duration;

use otpost::domain::receipt::ReceiptStatus;
use otpost::flow::tasks::cleanup;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnectOptions;
use uuid::Uuid;

use super::{becomes, events, listening, report, sent};
use crate::support::receipt_provider::signed_receipt;
use crate::support::{Gateway, otp};

async fn parked(gateway: &Gateway) -> i64 {
    in_database(gateway, "SELECT count(*) FROM parked_receipt", &[]).await
}

async fn in_database(gateway: &Gateway, text: &'static str, values: &[&[u8]]) -> i64 {
    let options = SqliteConnectOptions::new().filename(gateway.files.path("otpost.db"));
    let mut database = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let mut query = sqlx::query_scalar(text);
    for value in values {
        query = query.bind(*value);
    }
    let found = query.fetch_optional(&mut database).await.unwrap().unwrap_or_default();
    database.close().await.unwrap();
    found
}

#[tokio::test]
async fn a_receipt_that_arrives_before_the_answer_is_applied_after_it() {
    for by_ours in [true, false] {
        let (gateway, sms_provider) = listening("", "").await;
        gateway.post(&otp()).await.expect_status(204);
        let ours = sms_provider.message().await;
        let reference = if by_ours { ours.as_str() } else { "sms_provider-1" };

        report(&gateway, &signed_receipt("sms_provider", reference, "DELIVRD")).await;
        report(&gateway, &signed_receipt("sms_provider", reference, "DELIVRD")).await;
        assert_eq!((gateway.last().await.line.state.as_str(), parked(&gateway).await), ("open", 1));
        sms_provider.answers();

        becomes(&gateway, "confirmed").await;
        assert_eq!(events(&gateway).await, ["accepted", "sent", "confirmed"]);
        assert_eq!(parked(&gateway).await, 0);
    }
}

#[tokio::test]
async fn of_two_contradictory_receipts_that_waited_a_confirmation_counts_and_nothing_more_is_sent() {
    let (gateway, sms_provider) = listening("", "").await;
    gateway.post(&otp()).await.expect_status(204);
    let reference = sms_provider.message().await;

    report(&gateway, &signed_receipt("sms_provider", &reference, "UNDELIV")).await;
    report(&gateway, &signed_receipt("sms_provider", &reference, "DELIVRD")).await;
    sms_provider.answers();

    becomes(&gateway, "confirmed").await;
    while parked(&gateway).await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(gateway.received(), 0);
}

#[tokio::test]
async fn a_failure_that_is_reported_before_the_answer_is_followed_by_the_next_provider() {
    let (gateway, sms_provider) = listening("", "").await;
    gateway.post(&otp()).await.expect_status(204);
    let reference = sms_provider.message().await;

    report(&gateway, &signed_receipt("sms_provider", &reference, "UNDELIV")).await;
    assert_eq!(parked(&gateway).await, 1);
    sms_provider.answers();

    while gateway.sms("primary").received().is_empty() {
        tokio::task::yield_now().await;
    }
    gateway.drain().await;
    assert_eq!((gateway.received(), parked(&gateway).await, gateway.last().await.line.state.as_str()), (1, 0, "sent"));
}

#[tokio::test]
async fn a_failure_survives_a_crash_and_is_followed_by_the_next_provider() {
    let (gateway, _desk, reference) = sent("").await;
    gateway.sms("primary").answers(503);
    gateway.sms("backup").answers(503);
    report(&gateway, &signed_receipt("sms_provider", &reference, "UNDELIV")).await;

    let gateway = gateway.crash().await;
    gateway.sms("primary").recovers();
    gateway.sms("backup").recovers();
    gateway.drain().await;

    assert_eq!(gateway.last().await.line.state, "sent");
    // An attempt that was in flight at the crash may have arrived.
    assert!((1..=2).contains(&gateway.received()), "{}", gateway.received());
}

#[tokio::test]
async fn a_failure_while_another_attempt_is_in_flight_does_not_disturb_it() {
    let (gateway, _desk, reference) = sent("").await;
    gateway.sms("primary").swallows();
    report(&gateway, &signed_receipt("sms_provider", &reference, "UNDELIV")).await;
    while gateway.sms("primary").swallowed() == 0 {
        tokio::task::yield_now().await;
    }

    report(&gateway, &signed_receipt("sms_provider", "sms_provider-1", "EXPIRED")).await;
    let gateway = gateway.crash().await;
    gateway.drain().await;

    while parked(&gateway).await > 0 {
        tokio::task::yield_now().await;
    }
    let delivery = gateway.last().await;
    assert_eq!((delivery.line.state.as_str(), gateway.sms("backup").received().len()), ("sent", 1));
    assert_eq!(delivery.attempts[0].failure, Some(ReceiptStatus::Undelivered));
}

#[tokio::test]
async fn the_content_is_kept_until_the_delivery_is_confirmed_or_its_deadline_passes() {
    const KEPT: &str = "SELECT count(*) FROM delivery WHERE sealed IS NOT NULL";
    for is_confirmed in [true, false] {
        let (gateway, _desk, reference) = sent("").await;
        assert_eq!(in_database(&gateway, KEPT, &[]).await, 1);

        if is_confirmed {
            report(&gateway, &signed_receipt("sms_provider", &reference, "DELIVRD")).await;
        } else {
            gateway.clock.move_on(Duration::from_mins(5));
            cleanup::sweep_once(gateway.store(), &*gateway.clock, Duration::from_mins(10)).await.unwrap();
        }

        assert_eq!(in_database(&gateway, KEPT, &[]).await, 0, "{is_confirmed}");
    }
}

#[tokio::test]
async fn a_crash_before_the_answer_does_not_lose_the_receipt() {
    let (gateway, sms_provider) = listening("", "").await;
    gateway.post(&otp()).await.expect_status(204);
    let reference = sms_provider.message().await;
    report(&gateway, &signed_receipt("sms_provider", &reference, "DELIVRD")).await;

    let gateway = gateway.crash().await;
    gateway.drain().await;

    becomes(&gateway, "confirmed").await;
    let delivery = gateway.last().await;
    assert_eq!(delivery.attempts[0].provider.0, "sms_provider");
    assert_eq!(delivery.events.last().unwrap().actor, "provider:sms_provider");
    assert_eq!(parked(&gateway).await, 0);
}

#[tokio::test]
async fn a_parked_receipt_of_an_ended_delivery_is_applied_at_the_next_start() {
    let (gateway, _desk, reference) = sent("").await;
    let id: Uuid = reference.parse().unwrap();
    let text = "INSERT INTO parked_receipt (provider, reference, status, reported_at, parked_at, delivery_id)
                  SELECT 'sms_provider', 'sms_provider-1', 'delivered', received_at, received_at, id FROM delivery WHERE id = ?1";
    in_database(&gateway, text, &[id.as_bytes()]).await;
    assert_eq!((gateway.last().await.line.state.as_str(), parked(&gateway).await), ("sent", 1));

    let gateway = gateway.crash().await;

    becomes(&gateway, "confirmed").await;
    assert_eq!(events(&gateway).await, ["accepted", "sent", "confirmed"]);
    assert_eq!(parked(&gateway).await, 0);
}

#[tokio::test]
async fn a_receipt_without_a_delivery_is_kept_for_three_days() {
    let (gateway, _desk, _) = sent("").await;
    report(&gateway, &signed_receipt("sms_provider", "sms_provider-99", "DELIVRD")).await;
    let sweep = async || cleanup::sweep_once(gateway.store(), &*gateway.clock, Duration::from_mins(10)).await.unwrap();

    gateway.clock.move_on(Duration::from_hours(72));
    sweep().await;
    assert_eq!(parked(&gateway).await, 1);
    gateway.clock.move_on(Duration::from_secs(1));
    sweep().await;

    assert_eq!(parked(&gateway).await, 0);
}

#[tokio::test]
async fn receipts_without_a_delivery_do_not_fill_the_disk() {
    let (gateway, _desk, _) = sent("").await;
    let text = "INSERT INTO parked_receipt (provider, reference, status, reported_at, parked_at)
                  WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
                  SELECT 'sms_provider', 'unknown-' || n, 'delivered', 0, 0 FROM n";
    in_database(&gateway, text, &[]).await;

    report(&gateway, &signed_receipt("sms_provider", "one-more", "DELIVRD")).await;

    assert_eq!(parked(&gateway).await, 10_000);
    let kept = "SELECT count(*) FROM parked_receipt WHERE reference IN ('unknown-1', 'one-more')";
    assert_eq!(in_database(&gateway, kept, &[]).await, 1);
}
