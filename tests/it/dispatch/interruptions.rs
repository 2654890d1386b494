//! Deliveries that a restart or a crash interrupts.

use std::time::Duration;

use otpost::domain::outcome::{Cause, Outcome};
use otpost::store::LEASE;

use crate::support::sender::{Gone, Line};
use crate::support::{Gateway, locked, otp, recipient};

#[tokio::test]
async fn a_message_in_flight_at_a_crash_is_delivered_by_the_next_process() {
    let gateway = sms_gateway().await;
    gateway.sms("primary").swallows();
    gateway.sms("backup").swallows();
    gateway.post(&otp()).await.expect_status(204);
    swallowed(&gateway, 1).await;

    gateway.sms("backup").recovers();
    let gateway = gateway.crash().await;
    gateway.settle().await;
    gateway.drain().await;

    let last = gateway.last().await;
    assert_eq!(last.line.state, "sent");
    assert_eq!(last.attempts[0].outcome, Outcome::unknown(Cause::Interrupted));
    assert_eq!(last.attempts[0].provider.0, "primary");
    assert_eq!(gateway.sms("backup").received().len(), 1);
}

#[tokio::test]
async fn no_notification_that_was_accepted_is_lost_in_a_crash() {
    let gateway = sms_gateway().await;
    gateway.sms("primary").swallows();
    let mut line = gateway.line().await;
    for number in 0..50 {
        line.send(&otp().key(&number.to_string()).with("merchantName", number.to_string()).request()).await;
        line.answer().await.unwrap().expect_status(204);
    }
    swallowed(&gateway, 50).await;

    let gateway = gateway.crash().await;
    gateway.sms("primary").recovers();
    gateway.settle().await;
    gateway.drain().await;

    let states: Vec<_> = gateway.deliveries().await.into_iter().map(|line| line.state).collect();
    assert_eq!(states, ["sent"; 50]);
    assert_eq!(gateway.received(), 50);
}

#[tokio::test]
async fn a_worker_never_claims_its_own_deliveries_after_the_clock_is_set() {
    let gateway = sms_gateway().await;
    gateway.sms("primary").swallows();
    gateway.post(&otp()).await.expect_status(204);
    swallowed(&gateway, 1).await;

    gateway.clock.move_on(LEASE * 2);
    let taken = gateway.worker().scan().await.unwrap();

    assert_eq!(taken, 0);
    assert!(gateway.store().next_due().await.unwrap() > Some(gateway.now()), "the lease goes on");
}

#[tokio::test]
async fn a_postponed_retry_survives_a_restart() {
    let gateway = sms_gateway().await;
    gateway.sms("primary").answers(503);
    gateway.sms("backup").answers(503);
    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;

    let gateway = gateway.restart().await;
    gateway.sms("primary").recovers();
    gateway.drain().await;

    let last = gateway.last().await;
    assert_eq!(last.line.state, "sent");
    assert!(last.attempts.iter().all(|attempt| attempt.outcome.cause() != Some(Cause::Interrupted)));
}

#[tokio::test]
async fn deliveries_in_flight_are_finished_before_the_process_ends() {
    let gateway = sms_gateway().await;
    let mut line = gateway.line().await;
    for number in 0..20 {
        line.send(&otp().key(&number.to_string()).with("merchantName", number.to_string()).request()).await;
        line.answer().await.unwrap().expect_status(204);
    }
    drop(line);

    let gateway = gateway.restart().await;

    let states: Vec<_> = gateway.deliveries().await.into_iter().map(|line| line.state).collect();
    assert_eq!(states, ["sent"; 20]);
    assert_eq!(gateway.sms("primary").received().len(), 20);
}

#[tokio::test]
async fn every_notification_answered_with_204_survives_a_stop_under_load() {
    let gateway = sms_gateway().await;
    let mut senders = Vec::new();
    for sender in 0..8 {
        senders.push(tokio::spawn(post_until_hung_up(gateway.line().await, sender)));
    }
    while gateway.received() < 40 {
        tokio::task::yield_now().await;
    }

    let gateway = gateway.restart().await;
    let mut promised = Vec::new();
    for sender in senders {
        promised.extend(sender.await.unwrap());
    }
    gateway.drain().await;

    let deliveries = gateway.deliveries().await;
    let sent_once =
        |key: &String| deliveries.iter().filter(|line| line.idempotency_key.as_ref() == Some(key)).count() == 1;
    assert!(promised.len() >= 40 && promised.iter().all(sent_once));
    assert!(deliveries.iter().all(|line| line.state == "sent" && line.attempts == 1));
    assert_eq!(gateway.received(), deliveries.len());
}

#[tokio::test]
async fn an_otp_left_by_a_crash_is_not_sent_after_its_deadline() {
    let gateway = sms_gateway().await;
    gateway.sms("primary").swallows();
    gateway.post(&otp()).await.expect_status(204);
    swallowed(&gateway, 1).await;

    gateway.clock.move_on(Duration::from_mins(5));
    let gateway = gateway.crash().await;
    gateway.drain().await;

    // It was in flight when the process died: the answer was lost, perhaps not the message.
    assert_eq!(gateway.received(), 0);
    assert_eq!(gateway.last().await.line.state, "unconfirmed");
}

#[tokio::test]
async fn all_holders_of_a_card_are_notified_even_if_the_process_ends_at_once() {
    let gateway = Gateway::start().await;
    let numbers = ["+48600100201", "+48600100202", "+48600100203"];
    gateway.knows(numbers.map(|number| recipient(number).card("11").phone(number))).await;

    gateway.post(&locked(gateway.now())).await.expect_status(204);
    let gateway = gateway.restart().await;
    gateway.drain().await;

    assert_eq!(gateway.sms("primary").received().len(), 3);
    for line in gateway.deliveries().await {
        let delivery = gateway.store().reports().delivery(line.id).await.unwrap().unwrap();
        assert_eq!((delivery.line.state.as_str(), delivery.attempts.len()), ("sent", 1));
    }
}

// The keys that were answered with 204. Any other answer must be one that promises nothing.
async fn post_until_hung_up(mut line: Line, sender: usize) -> Vec<String> {
    let mut promised = Vec::new();
    for number in 0.. {
        let key = format!("{sender}-{number}");
        line.send(&otp().key(&key).with("merchantName", key.clone()).request()).await;
        match line.answer().await {
            Ok(answer) if answer.status == 204 => promised.push(key),
            Ok(answer) => assert_eq!(answer.status, 503),
            Err(Gone) => break,
        }
    }
    promised
}

// Waits until the provider has read this many messages that it will not answer.
async fn swallowed(gateway: &Gateway, count: u64) {
    while gateway.sms("primary").swallowed() < count {
        tokio::task::yield_now().await;
    }
}

async fn sms_gateway() -> Gateway {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("holder").customer("1337").phone("+48600100200")]).await;
    gateway
}
