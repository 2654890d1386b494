//! Load generators that run until stopped, the answers they got, and the content of the database afterwards, read over a
//! separate connection.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use otpost::sim::processor::{OtpSample, Processor};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::task::JoinHandle;

use super::{Served, Workspace};

/// The answers, by the mark that is both the key and the merchant.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) accepted: HashSet<String>,
    pub(super) refused: HashSet<String>,
    /// The connection ended before there was an answer.
    pub(super) unknown: HashSet<String>,
}

/// Numbers that are never used twice, and all answers so far.
#[derive(Clone, Default)]
pub(super) struct Tally {
    answers: Arc<Mutex<Answers>>,
    next: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Tally {
    pub(super) fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap()
    }

    /// The numbers of answers of each kind, for the record.
    pub(super) fn counted(&self) -> String {
        let Answers { accepted, refused, unknown } = &*self.answers();
        format!("{} accepted, {} refused, {} not answered", accepted.len(), refused.len(), unknown.len())
    }

    /// A new mark. Letters only: a run of digits would be masked as a phone number.
    pub(super) fn mark(&self) -> String {
        let mut number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut mark = "SHOP".to_owned();
        for _ in 0..6 {
            mark.push(char::from(b'A' + u8::try_from(number % 26).unwrap()));
            number /= 26;
        }
        mark
    }

    /// Posts once under `mark` and writes the answer down: its status, 0 when there was none.
    pub(super) async fn post(&self, processor: &mut Processor, mark: &str) -> u16 {
        let otp = OtpSample { merchant_name: mark.to_owned(), ..OtpSample::default() }.sample();
        let answer = processor.post(otp.path, &otp.body, Some(mark)).await;
        let mut answers = self.answers();
        let status = answer.map_or(0, |answer| answer.status);
        let place = match status {
            204 => &mut answers.accepted,
            503 => &mut answers.refused,
            0 => &mut answers.unknown,
            other => panic!("answered {other}"),
        };
        place.insert(mark.to_owned());
        status
    }

    /// So many senders, each with one request at a time, until [`Tally::stop`] or until the gateway is gone.
    pub(super) fn send(&self, count: usize, workspace: &Workspace, gateway: &Served) -> Vec<JoinHandle<()>> {
        self.stop.store(false, Ordering::Relaxed);
        let sender = |_| {
            let (tally, mut processor) = (self.clone(), gateway.processor(&workspace.identity()));
            tokio::spawn(async move {
                while !tally.stop.load(Ordering::Relaxed) {
                    if tally.post(&mut processor, &tally.mark()).await == 0 {
                        return;
                    }
                }
            })
        };
        (0..count).map(sender).collect()
    }

    pub(super) async fn stop(&self, senders: Vec<JoinHandle<()>>) {
        self.stop.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.await.unwrap();
        }
    }
}

/// A connection to a database file of its own.
pub(super) async fn open(file: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_secs(10)).connect().await.unwrap()
}

/// The keys of all notifications in the file.
pub(super) async fn kept(file: &Path) -> BTreeSet<String> {
    let mut file = open(file).await;
    let keys = sqlx::query_scalar("SELECT idempotency_key FROM notification").fetch_all(&mut file).await.unwrap();
    keys.into_iter().collect()
}

/// What SQLite says of the file's integrity: `ok`, or what is broken.
pub(super) async fn integrity(file: &Path) -> String {
    let mut file = open(file).await;
    sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut file).await.unwrap()
}

/// Waits until no delivery is open; returns how many attempts were interrupted and begun anew.
pub(super) async fn settled(file: &Path) -> i64 {
    let mut file = open(file).await;
    let began = Instant::now();
    loop {
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM delivery WHERE state = 'open'")
            .fetch_one(&mut file)
            .await
            .unwrap();
        if open == 0 {
            break;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{open} deliveries stay open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let text = "SELECT count(*) FROM attempt WHERE outcome = 'unknown'";
    sqlx::query_scalar(text).fetch_one(&mut file).await.unwrap()
}

/// How often each mark was sent.
pub(super) fn told(workspace: &Workspace) -> HashMap<String, usize> {
    let mut told = HashMap::new();
    for arrival in workspace.sms.station().arrivals() {
        let mut words = arrival.text.split(|c: char| !c.is_ascii_alphanumeric());
        let mark = words.find(|word| word.starts_with("SHOP")).expect("each text names its shop");
        *told.entry(mark.to_owned()).or_default() += 1;
    }
    told
}
