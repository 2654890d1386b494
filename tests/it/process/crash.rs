//! Repeated kills under load: every notification that was answered with 204 reaches its recipient.
//!
//! Fifty times; more by command, a thousand in some six minutes:
//! `OTPOST_TEST_KILLS=1000 cargo test --test it process::crash -- --nocapture`

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use otpost::domain::delivery::DeliveryState;
use otpost::sim::processor::OtpSample;
use otpost::sim::providers::message_log::LoggedMessage;
use otpost::store::reports::DeliveryFilter;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::probe::{chosen, until};
use super::{Served, Workspace};

const KILLS: u32 = 50;
/// Chooses another number.
const KILLS_BY_COMMAND: &str = "OTPOST_TEST_KILLS";
const CONNECTIONS: usize = 8;
const PATIENCE: Duration = Duration::from_mins(1);
/// Long enough for hundreds of notifications, and for a kill to hit any moment of their way.
const LIFE_MS: std::ops::Range<u64> = 20..120;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_under_load_lose_nothing_and_repeat_only_messages_in_flight() {
    let workspace = Workspace::new("").await;
    let accepted = Arc::new(Mutex::new(HashSet::new()));
    let counter = Arc::new(AtomicU64::new(0));
    let mut rng = StdRng::seed_from_u64(20_261_123);
    let mut messages = workspace.sms.station().subscribe();
    let mut sent = HashMap::new();

    for _ in 0..chosen(KILLS_BY_COMMAND, KILLS) {
        let gateway = workspace.serve();
        let stop = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> =
            (0..CONNECTIONS).map(|_| send(&workspace, &gateway, &accepted, &counter, &stop)).collect();
        // On a busy machine the first handshakes alone take longer than this life.
        let before = accepted.lock().unwrap().len();
        until("a first answer", PATIENCE, || accepted.lock().unwrap().len() > before).await;
        tokio::time::sleep(Duration::from_millis(rng.random_range(LIFE_MS))).await;
        gateway.signal("-KILL");
        stop.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.await.unwrap();
        }
        receive(&mut messages, &mut sent);
    }
    let _gateway = workspace.serve();
    let interrupted = settle(&workspace).await;

    let accepted = accepted.lock().unwrap();
    receive(&mut messages, &mut sent);
    let lost: Vec<_> = accepted.iter().filter(|mark| !sent.contains_key(*mark)).collect();
    let repeated: u32 = sent.values().map(|times| times - 1).sum();
    println!(
        "{} accepted, {} sent, {repeated} repeated, {interrupted} in flight at a kill",
        accepted.len(),
        sent.len()
    );
    let kills = chosen(KILLS_BY_COMMAND, KILLS) as usize;
    assert!(accepted.len() > 2 * kills, "too few to mean anything: {}", accepted.len());
    assert_eq!(lost, Vec::<&String>::new());
    assert!(repeated <= interrupted, "{repeated} repeated, {interrupted} in flight");
}

pub(super) fn send(
    workspace: &Workspace,
    gateway: &Served,
    accepted: &Arc<Mutex<HashSet<String>>>,
    counter: &Arc<AtomicU64>,
    stop: &Arc<AtomicBool>,
) -> tokio::task::JoinHandle<()> {
    let mut processor = gateway.processor(&workspace.identity());
    let (accepted, counter, stop) = (Arc::clone(accepted), Arc::clone(counter), Arc::clone(stop));
    tokio::spawn(async move {
        while !stop.load(Ordering::Relaxed) {
            let mark = letters(counter.fetch_add(1, Ordering::Relaxed));
            let otp = OtpSample { merchant_name: mark.clone(), ..OtpSample::default() }.sample();
            match processor.post(otp.path, &otp.body, Some(&mark)).await {
                Ok(answer) if answer.status == 204 => drop(accepted.lock().unwrap().insert(mark)),
                Ok(answer) => panic!("answered {}", answer.status),
                Err(_) => return,
            }
        }
    })
}

// Round by round: the provider itself remembers only the last ten thousand.
pub(super) fn receive(messages: &mut Receiver<Arc<LoggedMessage>>, sent: &mut HashMap<String, u32>) {
    loop {
        match messages.try_recv() {
            Ok(arrival) => *sent.entry(mark(&arrival.text)).or_default() += 1,
            Err(TryRecvError::Empty) => return,
            Err(missed) => panic!("{missed}"),
        }
    }
}

/// The merchant that a message names.
pub(super) fn mark(text: &str) -> String {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.find(|word| word.starts_with("SHOP")).expect("each text names its shop").to_owned()
}

/// A merchant of its own for each number. Letters only: a run of digits would be masked as a phone number.
pub(super) fn letters(mut number: u64) -> String {
    let mut mark = "SHOP".to_owned();
    for _ in 0..6 {
        mark.push(char::from(b'A' + u8::try_from(number % 26).unwrap()));
        number /= 26;
    }
    mark
}

// Waits until nothing is open any more; returns how many attempts a kill had interrupted.
async fn settle(workspace: &Workspace) -> u32 {
    let store = workspace.store().await;
    let open = DeliveryFilter { state: Some(DeliveryState::Open), ..DeliveryFilter::newest(1) };
    let began = Instant::now();
    while !store.reports().deliveries(&open).await.unwrap().lines.is_empty() {
        assert!(began.elapsed() < Duration::from_mins(1), "deliveries stay open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let all = store.reports().deliveries(&DeliveryFilter::newest(1_000_000)).await.unwrap().lines;
    all.iter().map(|line| line.attempts.saturating_sub(1)).sum()
}
