//! Receipts that arrive many times at once, or long after the delivery has ended. `receipts` tests single ones.

use std::time::Duration;

use otpost::domain::outcome::{Cause, Outcome};
use tokio::task::JoinSet;

use crate::support::receipt_provider::{ReceiptProvider, signed_receipt};
use crate::support::{Gateway, Setup, otp, recipient};

#[tokio::test]
async fn of_many_contradictory_receipts_at_once_one_is_applied_and_recorded_once() {
    let (gateway, sms_provider) = reported().await;
    gateway.post(&otp()).await.expect_status(204);
    let reference = sms_provider.message().await;
    sms_provider.answers();
    gateway.settle().await;
    gateway.clock.move_on(Duration::from_mins(5));

    let (mut posts, door) = (JoinSet::new(), gateway.receipts_address());
    for number in 0..48 {
        let reference = if number % 2 == 0 { &reference } else { "sms_provider-1" };
        let receipt = signed_receipt("sms_provider", reference, ["DELIVRD", "UNDELIV", "EXPIRED"][number % 3]);
        posts.spawn(async move { receipt.post(door).await.status });
    }
    let statuses = posts.join_all().await;

    assert_eq!(statuses, [200; 48]);
    let told = gateway.last().await;
    let kinds: Vec<_> = told.events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["accepted", "sent", &told.line.state]);
    assert!(["confirmed", "undelivered", "expired_by_provider"].contains(&told.line.state.as_str()));
}

#[tokio::test]
async fn receipts_in_any_order_each_change_their_own_delivery() {
    const CODES: usize = 20;
    let (gateway, sms_provider) = reported().await;
    let mut references = Vec::new();
    for number in 0..CODES {
        gateway.post(&otp().with("merchantName", number.to_string())).await.expect_status(204);
        references.push(sms_provider.message().await);
        sms_provider.answers();
        gateway.settle().await;
    }
    gateway.clock.move_on(Duration::from_mins(5));

    for (number, reference) in references.iter().enumerate().rev() {
        let word = if number % 2 == 0 { "DELIVRD" } else { "UNDELIV" };
        signed_receipt("sms_provider", reference, word).post(gateway.receipts_address()).await.expect_status(200);
    }

    for (number, reference) in references.iter().enumerate() {
        let told = gateway.store().reports().delivery(reference.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(told.line.state, if number % 2 == 0 { "confirmed" } else { "undelivered" }, "{number}");
    }
}

#[tokio::test]
async fn a_receipt_for_an_expired_code_confirms_it_and_sends_nothing() {
    let (gateway, sms_provider) = reported().await;
    gateway.sms("primary").answers(503);
    gateway.sms("backup").answers(503);
    gateway.post(&otp()).await.expect_status(204);
    let reference = sms_provider.message().await;
    gateway.settle().await;
    gateway.clock.move_on(Duration::from_mins(5));
    gateway.drain().await;
    let before = gateway.last().await;
    assert!(["unconfirmed", "expired"].contains(&before.line.state.as_str()), "{}", before.line.state);

    for _ in 0..3 {
        signed_receipt("sms_provider", &reference, "DELIVRD").post(gateway.receipts_address()).await.expect_status(200);
    }
    gateway.drain().await;

    let told = gateway.last().await;
    assert_eq!((told.line.state.as_str(), told.attempts.len()), ("confirmed", before.attempts.len()));
    assert_eq!(told.events.len(), before.events.len() + 1);
}

#[tokio::test]
async fn a_code_in_flight_at_a_crash_may_have_arrived_however_late_it_is_claimed_again() {
    for says_so in [false, true] {
        let (gateway, sms_provider) = reported().await;
        gateway.post(&otp()).await.expect_status(204);
        let reference = sms_provider.message().await;

        gateway.clock.move_on(Duration::from_mins(6));
        let gateway = gateway.crash().await;
        gateway.drain().await;
        let told = gateway.last().await;
        assert_eq!((told.line.state.as_str(), gateway.received()), ("unconfirmed", 0));
        assert_eq!(told.attempts[0].outcome, Outcome::unknown(Cause::Interrupted));
        if says_so {
            signed_receipt("sms_provider", &reference, "DELIVRD")
                .post(gateway.receipts_address())
                .await
                .expect_status(200);
            assert_eq!(gateway.last().await.line.state, "confirmed");
        }
    }
}

async fn reported() -> (Gateway, ReceiptProvider) {
    let sms_provider = ReceiptProvider::open().await;
    let settings =
        sms_provider.settings("sms_provider", "timeout = \"300ms\"", "") + "[receipts]\nlisten = \"127.0.0.1:0\"\n";
    let gateway = Setup::new().first(&settings).start().await;
    gateway.knows([recipient("phone").customer("1337").phone("+48600100200")]).await;
    (gateway, sms_provider)
}
