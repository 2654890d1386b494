//! Ten times the gateway's capacity in standard notifications, together with OTPs: it accepts or answers 503, its memory stays
//! bounded, every OTP is accepted, and nothing is sent twice. How long OTPs take is printed and not judged: that depends on what
//! else the machine does.
//!
//! The gateway has a core of its own, so that the load generator is faster. Twenty seconds; longer by command:
//! `OTPOST_TEST_OVERLOAD_SECONDS=60 cargo test --test it process::overload -- --nocapture`

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use openssl::ssl::SslConnector;
use otpost::domain::clock::{Clock, SystemClock};
use otpost::sim::processor::{CardLock, OtpSample};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant as Moment;
use tokio_openssl::SslStream;

use super::crash::letters;
use super::hangups::identity;
use super::probe::{Held, Ledger, chosen};
use super::{OTPOST, Served, Workspace, run};
use crate::support::sender::tls;

const FACTOR: f64 = 10.0;
const SECONDS: u32 = 10;
/// Chooses another number.
const SECONDS_BY_COMMAND: &str = "OTPOST_TEST_OVERLOAD_SECONDS";

/// More connections than a processor has, and fewer than the connection limit.
const CONNECTIONS: usize = 256;
const CARDS: u64 = 2_000;
/// A request that is late by so much is not sent any more: everybody who could is waiting for an answer.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(1);
/// The gateway closes a connection that was idle for five seconds; one that may be closed any moment is not used.
const IDLE_MAX: Duration = Duration::from_millis(3_500);
/// A connection that waits for the others to be opened is used again after this.
const USED_AGAIN_AFTER: Duration = Duration::from_millis(2_500);

const CODE_EVERY: Duration = Duration::from_millis(20);
const NORMAL_AGAIN_WITHIN: Duration = Duration::from_secs(5);
/// Four thousand deliveries in flight, and what the allocator keeps of them.
const GROWTH_KIB: usize = 96 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_its_capacity_costs_no_otp_and_leaks_nothing() {
    let workspace = Workspace::new("").await;
    let recipients = workspace.path("recipients.csv");
    let rows: String = (0..CARDS).fold("recipient,locale,dc_card,sms\n".to_owned(), |mut rows, card| {
        writeln!(rows, "card-{card},en,{card},+48600{card:06}").unwrap();
        rows
    });
    fs::write(&recipients, rows).unwrap();
    run(Command::new(OTPOST)
        .args(["recipient", "import", "--config"])
        .arg(workspace.path("otpost.toml"))
        .arg(recipients));
    let gateway = workspace.serve();
    run(Command::new("taskset").args(["-a", "-c", "-p", "0", &gateway.child.id().to_string()]));
    let sender = Sender::of(&workspace, &gateway);

    let sustained = sender.flood(None, Duration::from_secs(3)).join().unwrap();
    Ledger::of(&workspace).await.all_ended().await;
    let codes = sender.codes();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let memory = Held::by(&gateway).memory_kib;
    let (began, length) = (Instant::now(), Duration::from_secs(chosen(SECONDS_BY_COMMAND, SECONDS).into()));
    let flood = sender.flood(Some(sustained.rate() * FACTOR), length);
    let mut most = 0;
    while !flood.is_finished() {
        most = most.max(Held::by(&gateway).memory_kib);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (flood, over) = (flood.join().unwrap(), Instant::now());
    tokio::time::sleep(NORMAL_AGAIN_WITHIN + Duration::from_secs(3)).await;
    let codes = codes.stop();

    let before = |percent| percentile(&codes, percent, |at| at < began);
    let during = percentile(&codes, 99, |at| at >= began && at < over);
    let after = |percent| percentile(&codes, percent, |at| at >= over + NORMAL_AGAIN_WITHIN);
    // The machine may be busy with other things on either side of the flood.
    let (usual, [before, after]) = (before(99).max(after(99)), [before(50), after(50)]);
    println!(
        "sustained {:.0}/s; offered {:.1} times as much, sent {:.1} times, {flood:?}; codes p99 {usual:?} without it, \
         {during:?} during, median {before:?} before and {after:?} after; {} MiB before, {} MiB at most",
        sustained.rate(),
        f64::from(flood.due) / flood.length.as_secs_f64() / sustained.rate(),
        f64::from(flood.sent()) / flood.length.as_secs_f64() / sustained.rate(),
        memory / 1024,
        most / 1024,
    );
    let statuses: Vec<_> = flood.answers.keys().copied().collect();
    assert!(statuses.iter().all(|status| [204, 503].contains(status)), "{:?}", flood.answers);
    assert!(codes.iter().all(|code| code.status == 204), "codes are taken, all of them");
    assert!(most <= memory + GROWTH_KIB, "{most} KiB");
    let mut ledger = Ledger::of(&workspace).await;
    ledger.all_ended().await;
    assert_eq!(ledger.ended_twice().await, 0);
    let told = workspace.sms.station().arrivals().iter().filter(|arrival| arrival.text.contains("SHOP")).count();
    println!("{told} of the codes are among the last ten thousand messages");
}

/// The answers to standard notifications.
#[derive(Debug, Default)]
struct Flood {
    length: Duration,
    due: u32,
    answers: BTreeMap<u16, u32>,
}

impl Flood {
    fn sent(&self) -> u32 {
        self.answers.values().sum()
    }

    fn rate(&self) -> f64 {
        f64::from(self.answers[&204]) / self.length.as_secs_f64()
    }
}

/// The result of an OTP.
pub(super) struct Code {
    pub(super) due: Instant,
    pub(super) took: Duration,
    pub(super) status: u16,
}

pub(super) fn percentile(codes: &[Code], percent: usize, counts: impl Fn(Instant) -> bool) -> Duration {
    let mut all: Vec<_> = codes.iter().filter(|code| counts(code.due)).map(|code| code.took).collect();
    all.sort();
    all[all.len() * percent / 100]
}

/// A processor on threads of its own, as on another machine.
pub(super) struct Sender {
    address: SocketAddr,
    connector: Arc<SslConnector>,
    numbers: Arc<AtomicU64>,
}

pub(super) struct Codes {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Code>>,
}

impl Codes {
    pub(super) fn stop(self) -> Vec<Code> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

impl Sender {
    pub(super) fn of(workspace: &Workspace, gateway: &Served) -> Self {
        let connector = Arc::new(tls(Some(&identity(workspace))).build());
        Self { address: gateway.address, connector, numbers: Arc::default() }
    }

    /// Standard notifications for this long: at a rate, or each as soon as the previous one is answered.
    fn flood(&self, rate: Option<f64>, length: Duration) -> JoinHandle<Flood> {
        let (address, connector, numbers) = (self.address, Arc::clone(&self.connector), Arc::clone(&self.numbers));
        alone(async move {
            let mut lines = Vec::new();
            for _ in 0..CONNECTIONS {
                lines.push(Line::open(address, &connector).await);
                // An idle connection would be closed after five seconds, before all are open.
                for line in
                    lines.iter_mut().filter(|line| line.exchanges == 0 || line.used.elapsed() > USED_AGAIN_AFTER)
                {
                    line.exchange(&lock(numbers.fetch_add(1, Ordering::Relaxed))).await;
                }
            }
            let (began, taken) = (Moment::now(), Arc::new(AtomicU32::new(0)));
            let mut crew = JoinSet::new();
            for mut line in lines {
                let (numbers, taken) = (Arc::clone(&numbers), Arc::clone(&taken));
                crew.spawn(async move {
                    let mut answers = BTreeMap::<u16, u32>::new();
                    loop {
                        let turn = taken.fetch_add(1, Ordering::Relaxed);
                        let due = rate
                            .map_or_else(Moment::now, |rate| began + Duration::from_secs_f64(f64::from(turn) / rate));
                        if due >= began + length {
                            return answers;
                        }
                        if due.elapsed() > GIVEN_UP_AFTER {
                            continue;
                        }
                        tokio::time::sleep_until(due).await;
                        let status = line.exchange(&lock(numbers.fetch_add(1, Ordering::Relaxed))).await;
                        *answers.entry(status).or_default() += 1;
                    }
                });
            }
            let mut flood = Flood { length, ..Flood::default() };
            for (status, count) in crew.join_all().await.into_iter().flatten() {
                *flood.answers.entry(status).or_default() += count;
            }
            flood.due = taken.load(Ordering::Relaxed);
            flood
        })
    }

    /// OTPs at a steady rate until stopped.
    fn codes(&self) -> Codes {
        self.codes_every(CODE_EVERY)
    }

    /// OTPs at another steady rate until stopped.
    pub(super) fn codes_every(&self, every: Duration) -> Codes {
        let (address, connector, stop) = (self.address, Arc::clone(&self.connector), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = alone(async move {
            let mut crew = JoinSet::new();
            let mut due = tokio::time::interval(every);
            // In turn, or the server closes the connections that are never used.
            let mut lines = VecDeque::new();
            for _ in 0..64 {
                lines.push_back(Line::open(address, &connector).await);
            }
            let (mut codes, mut number) = (Vec::new(), 0);
            while !stopped.load(Ordering::Relaxed) {
                let due = due.tick().await;
                while let Some(done) = crew.try_join_next() {
                    let (line, code) = done.unwrap();
                    lines.push_back(line);
                    codes.push(code);
                }
                let free = lines.pop_front();
                let connector = Arc::clone(&connector);
                number += 1;
                crew.spawn(async move {
                    let mut line = match free {
                        Some(line) => line,
                        None => Line::open(address, &connector).await,
                    };
                    let status = line.exchange(&code(number)).await;
                    (line, Code { due: due.into_std(), took: due.elapsed(), status })
                });
            }
            codes.extend(crew.join_all().await.into_iter().map(|(_, code)| code));
            codes
        });
        Codes { stop, thread }
    }
}

fn alone<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    std::thread::spawn(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work))
}

/// A connection on which a request costs its sender next to nothing.
struct Line {
    stream: SslStream<TcpStream>,
    inbox: Vec<u8>,
    address: SocketAddr,
    connector: Arc<SslConnector>,
    used: Instant,
    exchanges: u32,
}

impl Line {
    async fn open(address: SocketAddr, connector: &Arc<SslConnector>) -> Self {
        let plain = TcpStream::connect(address).await.unwrap();
        plain.set_nodelay(true).unwrap();
        let ssl = connector.configure().unwrap().verify_hostname(false).into_ssl("localhost").unwrap();
        let mut stream = SslStream::new(ssl, plain).unwrap();
        Pin::new(&mut stream).connect().await.unwrap();
        let connector = Arc::clone(connector);
        Self { stream, inbox: Vec::with_capacity(1024), address, connector, used: Instant::now(), exchanges: 0 }
    }

    async fn exchange(&mut self, request: &[u8]) -> u16 {
        if self.used.elapsed() > IDLE_MAX {
            // The old one is closed first: together they may be more than the connection limit.
            self.stream.get_mut().shutdown().await.unwrap();
            *self = Self::open(self.address, &self.connector).await;
        }
        self.inbox.clear();
        self.stream.write_all(request).await.unwrap();
        loop {
            assert!(self.stream.read_buf(&mut self.inbox).await.unwrap() > 0, "hung up");
            let mut room = [httparse::EMPTY_HEADER; 16];
            let mut head = httparse::Response::new(&mut room);
            let httparse::Status::Complete(start) = head.parse(&self.inbox).unwrap() else { continue };
            let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
            let length = length.map_or(0, |header| std::str::from_utf8(header.value).unwrap().parse().unwrap());
            if self.inbox.len() >= start + length {
                (self.used, self.exchanges) = (Instant::now(), self.exchanges + 1);
                return head.code.unwrap();
            }
        }
    }
}

// No two alike: another card, or another second.
fn lock(number: u64) -> Vec<u8> {
    let card = CardLock { dc_card_id: (number % CARDS).to_string(), ..CardLock::default() };
    let sample = card.locked(SystemClock.now().before(Duration::from_secs(number / CARDS)));
    request(sample.path, &sample.body)
}

fn code(number: u64) -> Vec<u8> {
    let otp = OtpSample { merchant_name: letters(number), ..OtpSample::default() }.sample();
    request(otp.path, &otp.body)
}

fn request(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: gateway.test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
