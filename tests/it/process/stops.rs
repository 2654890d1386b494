//! Stops under load, and a second signal: every request that was sent before the signal is answered, and what was
//! accepted is sent once.

use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use otpost::sim::providers::faults::Faults;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::crash::{letters, mark};
use super::hangups::identity;
use super::probe::{Ledger, until};
use super::takeover::post;
use super::{Served, Workspace};
use crate::support::otp;
use crate::support::sender::Line;

const ROUNDS: usize = 50;
const LINES: usize = 4;
/// On each connection: 200 requests a second in all.
const EVERY: Duration = Duration::from_millis(20);
/// Requests answered before the signal.
const BEFORE: usize = 30;
const ENDS_WITHIN: Duration = Duration::from_secs(15);

/// Requests at once, each on a connection of its own: more than can be read before the signal.
const BURST: usize = 100;
const BURSTS: usize = 5;

/// One request and its result.
struct Request {
    mark: String,
    sent: Instant,
    status: Option<u16>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_stops_under_two_hundred_requests_a_second_cut_nobody_off_and_repeat_nothing() {
    let workspace = Workspace::new("").await;
    workspace.sms.station().behave(Faults::slow(Duration::from_millis(50)));
    let identity = identity(&workspace);
    let counter = Arc::new(AtomicU64::new(0));
    let (mut accepted, mut refused, mut unanswered, mut slowest) = (Vec::new(), 0, 0, Duration::ZERO);

    for _ in 0..ROUNDS {
        let mut gateway = workspace.serve();
        let answered = Arc::new(AtomicU64::new(0));
        let mut senders = JoinSet::new();
        for _ in 0..LINES {
            let line = Line::open(gateway.address, &identity).await;
            senders.spawn(send(line, Arc::clone(&counter), Arc::clone(&answered)));
        }
        until("the load has started", ENDS_WITHIN, || answered.load(Ordering::Relaxed) >= BEFORE as u64).await;
        let signalled = Instant::now();
        gateway.signal("-TERM");
        let status = gateway.ended_within(ENDS_WITHIN);
        slowest = slowest.max(signalled.elapsed());
        assert!(status.success(), "{status}: {}", gateway.log());

        for request in senders.join_all().await.into_iter().flatten() {
            match request.status {
                Some(204) => accepted.push(request.mark),
                Some(503) => refused += 1,
                None => unanswered += 1,
                Some(other) => panic!("answered {other}"),
            }
            assert!(
                request.status.is_some() || request.sent > signalled,
                "it was sent before the stop: {}",
                gateway.log()
            );
        }
    }

    println!("{} accepted, {refused} refused, {unanswered} sent later; slowest end {slowest:?}", accepted.len());
    let mut times: HashMap<String, u32> = HashMap::new();
    for arrival in workspace.sms.station().arrivals() {
        *times.entry(mark(&arrival.text)).or_default() += 1;
    }
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    println!("{} sent of which the answer was not received", times.len() - accepted.len());
    let lost: Vec<_> = accepted.iter().filter(|mark| !times.contains_key(*mark)).collect();
    assert_eq!(lost, Vec::<&String>::new());
    assert!(accepted.len() >= ROUNDS * BEFORE, "{}", accepted.len());
    assert_eq!(Ledger::of(&workspace).await.ended_twice().await, 0);
}

async fn send(mut line: Line, counter: Arc<AtomicU64>, answered: Arc<AtomicU64>) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut due = tokio::time::interval(EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        due.tick().await;
        let mark = letters(counter.fetch_add(1, Ordering::Relaxed));
        line.send(&otp().key(&mark).with("merchantName", mark.as_str()).request()).await;
        let sent = Instant::now();
        let answer = line.answer().await.ok();
        let goes_on = answer.as_ref().is_some_and(|answer| !answer.closes());
        requests.push(Request { mark, sent, status: answer.map(|answer| answer.status) });
        if !goes_on {
            return requests;
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_of_a_burst_sent_just_before_the_stop_is_answered() {
    let workspace = Workspace::new("").await;
    let identity = identity(&workspace);
    let mut refused = 0;

    for round in 0..BURSTS {
        let mut gateway = workspace.serve();
        let mut lines = Vec::new();
        for _ in 0..BURST {
            lines.push(Line::open(gateway.address, &identity).await);
        }
        for (number, line) in lines.iter_mut().enumerate() {
            let mark = letters((round * BURST + number) as u64);
            line.send(&otp().key(&mark).with("merchantName", mark.as_str()).request()).await;
        }
        gateway.signal("-TERM");
        for line in &mut lines {
            match line.answer().await.map(|answer| answer.status) {
                Ok(204) => {}
                Ok(503) => refused += 1,
                other => panic!("{other:?}: {}", gateway.log()),
            }
        }
        assert!(gateway.ended_within(ENDS_WITHIN).success(), "{}", gateway.log());
    }

    println!("{refused} of {} were refused", BURSTS * BURST);
    assert_eq!(workspace.sms.station().arrivals().len(), BURSTS * BURST - refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_the_process_at_once_and_the_next_process_delivers() {
    let workspace = Workspace::new("").await;
    let station = workspace.sms.station();
    station.behave(Faults::silent());
    let mut gateway = workspace.serve();
    let mut processor = gateway.processor(&workspace.identity());
    for number in 0..8 {
        assert_eq!(post(&mut processor, &letters(number)).await, 204);
    }
    until("the provider has read all", ENDS_WITHIN, || station.report().unanswered == 8).await;

    gateway.signal("-TERM");
    until("it has begun to stop", ENDS_WITHIN, || is_closed(&gateway)).await;
    let again = Instant::now();
    gateway.signal("-TERM");
    let status = gateway.ended_within(Duration::from_secs(2));
    println!("ended {:?} after the second signal", again.elapsed());

    assert_eq!(status.code(), Some(1), "{}", gateway.log());
    station.behave(Faults::default());
    let _next = workspace.serve();
    let mut ledger = Ledger::of(&workspace).await;
    ledger.all_ended().await;
    assert_eq!((station.arrivals().len(), ledger.ended_twice().await), (8, 0));
}

fn is_closed(gateway: &Served) -> bool {
    TcpStream::connect(gateway.address).is_err()
}
