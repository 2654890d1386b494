//! Providers that never answer, accept no connection or cannot be resolved: how long they delay a code, in real time.

use std::net::SocketAddr;
use std::time::Duration;

use otpost::domain::contact::Channel;
use otpost::domain::outcome::{Cause, Outcome};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::{mail, sms};
use crate::support::fake::Fake;
use crate::support::lag::Lag;
use crate::support::load::load;
use crate::support::{Gateway, Setup, recipient, verification};

/// Codes at once: more than the requests in flight at one provider.
const CODES: u32 = 100;

const NEXT_IS_ASKED_WITHIN: Duration = Duration::from_millis(8_500);
const DELIVERED_WITHIN_MS: f64 = 12_000.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_never_answers_delays_a_code_by_at_most_eight_and_a_half_seconds() {
    let hole = Fake::open(Channel::Sms).await;
    hole.swallows();

    let gateway = survives(&hole.address().to_string()).await;

    assert!(hole.swallowed() >= 5, "it was asked {} times", hole.swallowed());
    let outcomes = first_outcomes(&gateway).await;
    let expected = [Outcome::unknown(Cause::TimedOut), Outcome::deferred(Cause::Throttled)];
    assert!(outcomes.iter().all(|outcome| expected.contains(outcome)), "{outcomes:?}");
    assert!(outcomes.contains(&expected[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_accepts_no_connection_delays_a_code_no_longer_and_the_outcome_is_known() {
    let full = Full::open().await;

    let gateway = survives(&full.address.to_string()).await;

    let outcomes = first_outcomes(&gateway).await;
    let expected = [Outcome::deferred(Cause::Unreachable), Outcome::deferred(Cause::Throttled)];
    assert!(outcomes.iter().all(|outcome| expected.contains(outcome)), "{outcomes:?}");
    assert!(outcomes.contains(&expected[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_whose_host_name_is_unknown_delays_a_code_no_longer_and_the_outcome_is_known() {
    let gateway = survives("nowhere.invalid").await;

    let outcomes = first_outcomes(&gateway).await;
    assert!(outcomes.contains(&Outcome::deferred(Cause::Unreachable)), "{outcomes:?}");
    assert!(!outcomes.iter().any(Outcome::may_have_arrived), "{outcomes:?}");
}

/// Sends many codes at once. The provider at this host fails, and the next one accepts them.
async fn survives(host: &str) -> Gateway {
    let gateway = Setup::new().first(&sms("first", host, "")).start().await;
    gateway.knows((1..=10).map(|n| recipient(&n.to_string()).customer(&n.to_string()).phone("+48600100200"))).await;
    gateway.clock.follow();

    let lag = Lag::watch();
    let sent = load(&gateway, CODES, 1_000.0, 1..=10).await;
    gateway.settle().await;
    let allowance = lag.allowance();

    assert!(sent.all_accepted(), "{:?}", sent.errors);
    let arrived = gateway.sms("primary").report();
    assert_eq!((arrived.distinct, arrived.duplicates), (CODES.into(), 0));
    let delivered_within = DELIVERED_WITHIN_MS + allowance.as_secs_f64() * 1_000.0;
    assert!(arrived.end_to_end.p99_ms <= delivered_within, "{} {allowance:?}", arrived.end_to_end);
    for told in gateway.deliveries().await {
        let told = gateway.store().reports().delivery(told.id).await.unwrap().unwrap();
        let [.., last] = &told.attempts[..] else { unreachable!("it was told") };
        let asked_after = last.started_at.since(told.line.received_at);
        assert!(asked_after <= NEXT_IS_ASKED_WITHIN + allowance, "{asked_after:?} {allowance:?}");
    }
    gateway
}

/// The outcomes of the attempts at the first provider.
async fn first_outcomes(gateway: &Gateway) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for told in gateway.deliveries().await {
        let attempts = gateway.store().reports().delivery(told.id).await.unwrap().unwrap().attempts;
        outcomes.extend(attempts.into_iter().find(|attempt| attempt.provider.0 == "first").map(|it| it.outcome));
    }
    outcomes
}

#[tokio::test]
async fn a_relay_that_never_greets_gets_no_mail_and_the_outcome_is_known() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = mail("first", silent.local_addr().unwrap(), "tls = \"none\"\nconnections = 32");
    let gateway = Setup::new().first(&settings).start().await;
    let name = |n: u32| n.to_string();
    gateway.knows((0..32).map(|n| recipient(&name(n)).user(&name(n)).mailbox("reader@example.org"))).await;
    gateway.clock.follow();

    for number in 0..32 {
        gateway.post(&verification("Accepted").with("userId", name(number))).await.expect_status(204);
    }
    gateway.settle().await;

    assert_eq!(gateway.email().received().len(), 32);
    let outcomes = first_outcomes(&gateway).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::deferred(Cause::Unreachable)), "{outcomes:?}");
}

/// A port whose accept queue is full and never emptied: a further connection is not even refused.
struct Full {
    address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Full {
    async fn open() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(connected) = timeout(Duration::from_millis(500), TcpStream::connect(address)).await {
            waiting.push(connected.unwrap());
            assert!(waiting.len() < 16, "the queue does not fill");
        }
        Self { address, _listener: listener, _waiting: waiting }
    }
}
