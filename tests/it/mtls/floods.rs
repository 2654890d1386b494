//! Floods of hostile connections, at the stated numbers: a client is answered in time, the others are closed.
//!
//! These take real seconds; `.config/nextest.toml` runs each of them alone.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::support::sender::{Identity, Line, tls};
use crate::support::{Gateway, otp};

const ANSWERED_WITHIN: Duration = Duration::from_millis(200);
const CLOSED_WITHIN: Duration = Duration::from_secs(6);

/// The sources of the connections.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_silent_sockets_delay_no_client_and_are_closed() {
    let gateway = Gateway::start().await;
    let client = Client::start(&gateway).await;
    let mut flood = JoinSet::new();

    for _ in 0..2_000 {
        let mut socket = connect(gateway.address(), HERE).await;
        flood.spawn(async move {
            let began = Instant::now();
            let _ = socket.read(&mut [0; 64]).await;
            began.elapsed()
        });
    }
    let longest = flood.join_all().await.into_iter().max().unwrap();

    client.was_served().await;
    assert!(longest <= CLOSED_WITHIN, "{longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_and_bodies_of_a_byte_a_second_delay_no_client_and_are_closed() {
    let gateway = Gateway::start().await;
    let client = Client::start(&gateway).await;
    let request = otp().request();
    let head = request.len() - otp().bytes().len();
    let elsewhere =
        [b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n".as_slice(), &[b' '; 500]].concat();
    let mut flood = JoinSet::new();

    for number in 0..100 {
        let mut line = gateway.line_as(&gateway.files.second).await;
        let second_request = number % 5 == 4;
        // What is sent at once; the rest follows byte by byte.
        let (at_once, bytes) = match number % 5 {
            0 => (0, Vec::new()),
            1 | 4 => (1, request.clone()),
            2 => (head, request.clone()),
            _ => (elsewhere.len() - 500, elsewhere.clone()),
        };
        let whole = request.clone();
        flood.spawn(async move {
            if second_request {
                line.send(&whole).await;
                line.answer().await.unwrap().expect_status(204);
            }
            line.send(&bytes[..at_once]).await;
            let began = Instant::now();
            line.drip(&bytes[at_once..], Duration::from_secs(1)).await;
            (number % 5, began.elapsed())
        });
    }
    let ends = flood.join_all().await;

    client.was_served().await;
    for (kind, took) in ends {
        assert!(took <= CLOSED_WITHIN, "{kind}: {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_handshakes_delays_no_client() {
    let gateway = Gateway::start().await;
    let stop = Arc::new(AtomicBool::new(false));
    let unknown = crate::support::certificates::self_signed();
    let client = Client::start(&gateway).await;
    let (stopped, address) = (Arc::clone(&stop), gateway.address());
    // On a thread of its own, as from another machine: the flood loads the gateway, not its clients.
    let flood = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut flood = JoinSet::new();
            (0..32).for_each(|number| drop(flood.spawn(pour(number, address, unknown.clone(), Arc::clone(&stopped)))));
            flood.join_all().await.into_iter().sum::<u32>()
        })
    });
    tokio::time::sleep(Duration::from_secs(4)).await;
    stop.store(true, Ordering::Relaxed);
    let count = flood.join().unwrap();

    client.was_served().await;
    assert!(count >= 200, "{count} connections are no flood");
}

/// Connects repeatedly: some with a bad certificate, some stop in the handshake, some do not speak TLS.
async fn pour(number: usize, address: SocketAddr, unknown: Identity, stop: Arc<AtomicBool>) -> u32 {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut socket = connect(address, ELSEWHERE).await;
        match number % 3 {
            0 => drop(Line::over(socket, tls(Some(&unknown))).await),
            1 => drop(socket.write_all(&[0x16, 3, 1, 2, 0, 1]).await),
            _ => drop(socket.write_all(b"GET / HTTP/1.1\r\n\r\n").await),
        }
        count += 1;
        // Some hundreds a second in all: more would measure the machine.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    count
}

/// A processor that posts on a connection that it keeps and on a new one for each request, and measures its waits.
struct Client {
    stop: Arc<AtomicBool>,
    waits: tokio::task::JoinHandle<Vec<Duration>>,
    quiet: Duration,
}

impl Client {
    /// Starts after it has measured its waits on the idle machine.
    async fn start(gateway: &Gateway) -> Self {
        let quiet = Self::begin(gateway);
        tokio::time::sleep(Duration::from_millis(700)).await;
        let quiet = quiet.p99().await;
        Self { quiet, ..Self::begin(gateway) }
    }

    fn begin(gateway: &Gateway) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, address) = (Arc::clone(&stop), gateway.address());
        let identity: Identity = gateway.files.processor.clone();
        let waits = tokio::spawn(async move {
            let mut kept = Line::open(address, &identity).await;
            let mut waits = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let began = Instant::now();
                kept.send(&otp().request()).await;
                kept.answer().await.expect("on the kept connection").expect_status(204);
                waits.push(began.elapsed());
                let began = Instant::now();
                let mut new = Line::try_open(address, tls(Some(&identity))).await.expect("a handshake");
                new.send(&otp().request()).await;
                new.answer().await.expect("on a new connection").expect_status(204);
                waits.push(began.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            waits
        });
        Self { stop, waits, quiet: Duration::ZERO }
    }

    async fn p99(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        let mut waits = self.waits.await.unwrap();
        waits.sort();
        waits[(waits.len() - 1) * 99 / 100]
    }

    async fn was_served(self) {
        let quiet = self.quiet;
        let p99 = self.p99().await;
        assert!(p99 <= ANSWERED_WITHIN + quiet, "p99 is {p99:?}, {quiet:?} without the flood");
    }
}

async fn connect(address: SocketAddr, from: IpAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(address).await.unwrap()
}
