//! Takeover between processes: the next process resumes deliveries in flight, and a second process at the same time is
//! rejected.

use std::collections::HashSet;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use otpost::sim::processor::{OtpSample, Processor};
use otpost::sim::providers::faults::Faults;

use super::crash::{letters, mark};
use super::probe::{Ledger, until};
use super::{OTPOST, Workspace};

const ROUNDS: u64 = 20;
/// Messages that the provider has read and not answered when the process is killed.
const IN_HAND: u64 = 8;
/// From the kill to the next attempt.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(20);

const TAKEN_OVER: &str = "SELECT count(*) FROM audit_event WHERE kind = 'claimed' AND detail ->> 'in_doubt' = 1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_in_flight_at_a_kill_are_sent_by_the_next_process_within_twenty_seconds_and_end_once() {
    let workspace = Workspace::new("").await;
    let station = workspace.sms.station();
    let mut ledger = None;
    let mut gateway = workspace.serve();
    let mut waits = Vec::new();

    for round in 0..ROUNDS {
        station.behave(Faults::silent());
        let mut processor = gateway.processor(&workspace.identity());
        for number in 0..IN_HAND {
            assert_eq!(post(&mut processor, &letters(round * IN_HAND + number)).await, 204);
        }
        let swallowed = (round + 1) * IN_HAND;
        until("the provider has read all", TAKEN_OVER_WITHIN, || station.report().unanswered == swallowed).await;
        let mut arrivals = station.subscribe();

        let killed = Instant::now();
        gateway.signal("-KILL");
        gateway.child.wait().unwrap();
        station.behave(Faults::default());
        gateway = workspace.serve();
        for _ in 0..IN_HAND {
            tokio::time::timeout(TAKEN_OVER_WITHIN, arrivals.recv()).await.unwrap().unwrap();
            waits.push(killed.elapsed());
        }
        if ledger.is_none() {
            ledger = Some(Ledger::of(&workspace).await);
        }
        ledger.as_mut().unwrap().all_ended().await;
    }

    waits.sort();
    println!("from the kill to the next attempt: median {:?}, longest {:?}", waits[waits.len() / 2], waits.last());
    assert!(waits.last().unwrap() <= &TAKEN_OVER_WITHIN, "{waits:?}");
    let mut ledger = ledger.unwrap();
    let all = usize::try_from(ROUNDS * IN_HAND).unwrap();
    assert_eq!((ledger.count(TAKEN_OVER).await, ledger.ended_twice().await), (all, 0));
    let arrivals = station.arrivals();
    let told: HashSet<_> = arrivals.iter().map(|arrival| mark(&arrival.text)).collect();
    assert_eq!((arrivals.len(), told.len()), (all, all), "each is told once by the process that took it over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_database_is_rejected_at_once_and_the_first_is_unaffected() {
    let workspace = Workspace::new("").await;
    let mut gateway = workspace.serve();
    let mut processor = gateway.processor(&workspace.identity());
    // The last line of a first start.
    until("the audit log has a key", TAKEN_OVER_WITHIN, || gateway.log().contains("key of the audit log created"))
        .await;
    let log = gateway.log();

    for number in 0..5 {
        let began = Instant::now();
        let second = serve_beside(&workspace);
        let took = began.elapsed();
        let said = String::from_utf8_lossy(&second.stderr);
        assert_eq!(second.status.code(), Some(2), "{said}");
        assert!(said.contains("another otpost is running on this database"), "{said}");
        assert!(said.contains("otpost.lock") && !said.contains("\"ready\""), "{said}");
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert_eq!(post(&mut processor, &letters(number)).await, 204);
    }

    until("all are told", TAKEN_OVER_WITHIN, || workspace.sms.station().arrivals().len() == 5).await;
    assert_eq!(gateway.log(), log, "nothing to report");
    gateway.signal("-TERM");
    assert!(gateway.ended_within(Duration::from_secs(15)).success());
    let mut ledger = Ledger::of(&workspace).await;
    assert_eq!((ledger.count(TAKEN_OVER).await, ledger.ended_twice().await), (0, 0));
}

fn serve_beside(workspace: &Workspace) -> Output {
    let mut second = Command::new(OTPOST);
    second.args(["serve", "--config"]).arg(workspace.path("otpost.toml"));
    second.env("OTPOST__INGEST__LISTEN", "127.0.0.1:0").env("OTPOST__OPS__LISTEN", "127.0.0.1:0");
    second.output().unwrap()
}

pub(super) async fn post(processor: &mut Processor, merchant: &str) -> u16 {
    let otp = OtpSample { merchant_name: merchant.to_owned(), ..OtpSample::default() }.sample();
    processor.post(otp.path, &otp.body, Some(merchant)).await.unwrap().status
}
