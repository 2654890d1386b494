//! Receipts that come before the message is known to be taken, and what a crash in between leaves.

use std::time::Duration;

use otpost::flow::tasks::cleanup;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnectOptions;
use uuid::Uuid;

use super::{becomes, events, listening, sent, tell};
use crate::support::desk::slip;
use crate::support::{Gateway, otp};

async fn parked(gateway: &Gateway) -> i64 {
    in_database(gateway, "SELECT count(*) FROM parked_receipt", &[]).await
}

async fn in_database(gateway: &Gateway, text: &'static str, values: &[&[u8]]) -> i64 {
    let options = SqliteConnectOptions::new().filename(gateway.house.path("otpost.db"));
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
async fn a_receipt_that_comes_before_the_answer_waits_for_it() {
    for by_ours in [true, false] {
        let (gateway, desk) = listening("", "").await;
        gateway.post(&otp()).await.expect_status(204);
        let ours = desk.message().await;
        let reference = if by_ours { ours.as_str() } else { "desk-1" };

        tell(&gateway, &slip("desk", reference, "DELIVRD")).await;
        tell(&gateway, &slip("desk", reference, "DELIVRD")).await;
        assert_eq!((gateway.last().await.line.state.as_str(), parked(&gateway).await), ("open", 1));
        desk.answers();

        becomes(&gateway, "confirmed").await;
        assert_eq!(events(&gateway).await, ["accepted", "sent", "confirmed"]);
        assert_eq!(parked(&gateway).await, 0);
    }
}

#[tokio::test]
async fn the_first_of_two_receipts_that_waited_counts() {
    let (gateway, desk) = listening("", "").await;
    gateway.post(&otp()).await.expect_status(204);
    let reference = desk.message().await;

    tell(&gateway, &slip("desk", &reference, "UNDELIV")).await;
    tell(&gateway, &slip("desk", &reference, "DELIVRD")).await;
    desk.answers();

    becomes(&gateway, "undelivered").await;
    while parked(&gateway).await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(events(&gateway).await, ["accepted", "sent", "undelivered"]);
}

#[tokio::test]
async fn a_crash_before_the_answer_does_not_lose_the_receipt() {
    let (gateway, desk) = listening("", "").await;
    gateway.post(&otp()).await.expect_status(204);
    let reference = desk.message().await;
    tell(&gateway, &slip("desk", &reference, "DELIVRD")).await;

    let gateway = gateway.crash().await;
    gateway.drain().await;

    becomes(&gateway, "confirmed").await;
    let told = gateway.last().await;
    assert_eq!(told.attempts[0].provider.0, "desk");
    assert_eq!(told.events.last().unwrap().actor, "provider:desk");
    assert_eq!(parked(&gateway).await, 0);
}

#[tokio::test]
async fn a_receipt_that_a_crash_left_beside_an_ended_delivery_is_applied_at_the_start() {
    let (gateway, _desk, reference) = sent("").await;
    let id: Uuid = reference.parse().unwrap();
    let text = "INSERT INTO parked_receipt (provider, reference, status, reported_at, parked_at, delivery_id)
                  SELECT 'desk', 'desk-1', 'delivered', received_at, received_at, id FROM delivery WHERE id = ?1";
    in_database(&gateway, text, &[id.as_bytes()]).await;
    assert_eq!((gateway.last().await.line.state.as_str(), parked(&gateway).await), ("sent", 1));

    let gateway = gateway.crash().await;

    becomes(&gateway, "confirmed").await;
    assert_eq!(events(&gateway).await, ["accepted", "sent", "confirmed"]);
    assert_eq!(parked(&gateway).await, 0);
}

#[tokio::test]
async fn a_receipt_whose_delivery_never_comes_is_kept_for_three_days() {
    let (gateway, _desk, _) = sent("").await;
    tell(&gateway, &slip("desk", "desk-99", "DELIVRD")).await;
    let sweep = async || cleanup::sweep_once(gateway.store(), &*gateway.clock, Duration::from_mins(10)).await.unwrap();

    gateway.clock.move_on(Duration::from_hours(72));
    sweep().await;
    assert_eq!(parked(&gateway).await, 1);
    gateway.clock.move_on(Duration::from_secs(1));
    sweep().await;

    assert_eq!(parked(&gateway).await, 0);
}

#[tokio::test]
async fn receipts_that_nobody_waits_for_do_not_fill_the_disk() {
    let (gateway, _desk, _) = sent("").await;
    let text = "INSERT INTO parked_receipt (provider, reference, status, reported_at, parked_at)
                  WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
                  SELECT 'desk', 'stranger-' || n, 'delivered', 0, 0 FROM n";
    in_database(&gateway, text, &[]).await;

    tell(&gateway, &slip("desk", "one-more", "DELIVRD")).await;

    assert_eq!(parked(&gateway).await, 10_000);
    let kept = "SELECT count(*) FROM parked_receipt WHERE reference IN ('stranger-1', 'one-more')";
    assert_eq!(in_database(&gateway, kept, &[]).await, 1);
}
