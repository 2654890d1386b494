//! No code is lost or delivered twice: without a crash, and, where the provider deduplicates, with one.

use std::collections::BTreeSet;
use std::time::Duration;

use otpost::domain::contact::Channel;
use otpost::domain::delivery::DeliveryState;
use otpost::domain::outcome::{Cause, Outcome};
use otpost::sim::providers::tally::TallyReport;
use otpost::store::reports::DeliveryFilter;

use super::sms;
use crate::support::fake::Fake;
use crate::support::load::load;
use crate::support::toxic::{End, Proxy, Toxic};
use crate::support::{Gateway, Setup, otp, recipient};

/// The number of codes in every run; the promise is made for a hundred thousand.
const CODES: u32 = 10_000;

/// More per second than a test build accepts on two cores, so that it is never idle.
const RATE: f64 = 4_000.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_codes_none_is_lost_and_none_is_delivered_twice() {
    let codes = codes();
    let gateway = Setup::new().more("[limits]\nper_recipient = 0\nper_card = 0").start().await;
    gateway.knows((1..=500).map(|n| recipient(&n.to_string()).customer(&n.to_string()).phone(&number(n)))).await;
    gateway.clock.follow();

    let sent = load(&gateway, codes, RATE, 1..=500).await;
    gateway.settle().await;
    // Deliveries beyond the limit in memory wait in the database.
    while with_state(&gateway, DeliveryState::Open).await > 0 {
        gateway.wait(Duration::ZERO).await;
    }

    assert_eq!((sent.sent, sent.accepted), (codes.into(), codes.into()), "{:?} {:?}", sent.statuses, sent.errors);
    // On a busy machine the first may seem slow and be outranked for a while.
    let arrived = ["primary", "backup"].map(|name| gateway.sms(name).report());
    let sum = |count: fn(&TallyReport) -> u64| arrived.iter().map(count).sum::<u64>();
    let told = (sum(|it| it.distinct), sum(|it| it.duplicates), sum(|it| it.total));
    assert_eq!(told, (codes.into(), 0, codes.into()), "{arrived:?}");
}

#[expect(clippy::disallowed_methods, reason = "how many is for whoever runs the test to say")]
fn codes() -> u32 {
    std::env::var("OTPOST_TEST_MESSAGES").map_or(CODES, |number| number.parse().unwrap())
}

async fn with_state(gateway: &Gateway, state: DeliveryState) -> usize {
    let filter = DeliveryFilter { state: Some(state), ..DeliveryFilter::newest(1) };
    gateway.store().reports().deliveries(&filter).await.unwrap().lines.len()
}

fn number(n: u32) -> String {
    format!("+48600{n:06}")
}

#[tokio::test]
async fn a_provider_that_deduplicates_delivers_no_code_twice_although_a_crash_interrupted_the_attempt() {
    const CODES: usize = 60;
    let provider = Fake::open(Channel::Sms).await;
    let proxy = Proxy::before(provider.address(), Toxic::After(0, End::Silence)).await;
    let gateway = Setup::new().first(&sms("knows", proxy.address(), "deduplicates = true")).start().await;
    gateway.knows([recipient("phone").customer("1337").phone("+48600100200")]).await;
    let mut line = gateway.line().await;
    for number in 0..CODES {
        line.send(&otp().with("merchantName", number.to_string()).request()).await;
        line.answer().await.unwrap().expect_status(204);
    }
    until(|| provider.received().len() == CODES).await;

    let gateway = gateway.crash().await;
    proxy.turns(Toxic::Clean);
    gateway.settle().await;
    gateway.drain().await;

    let received = provider.received();
    let references: BTreeSet<_> = received.iter().map(|message| message.reference.clone().unwrap()).collect();
    assert_eq!((received.len(), references.len()), (2 * CODES, CODES), "asked twice under one reference each");
    assert_eq!(gateway.received(), 0, "one else was asked");
    let told = gateway.deliveries().await;
    assert!(told.len() == CODES && told.iter().all(|line| line.state == "sent"), "{told:?}");
    let first = gateway.last().await.attempts.remove(0);
    assert_eq!((first.provider.0.as_str(), first.outcome), ("knows", Outcome::unknown(Cause::Interrupted)));
}

/// Yields until the condition holds.
async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}
