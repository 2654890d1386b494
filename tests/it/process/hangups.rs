//! Two thousand clients that disconnect in the middle of a request: they leave nothing behind in the process or the
//! database, and the next client is served.

use std::fs;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openssl::pkey::PKey;
use openssl::ssl::SslConnector;
use openssl::x509::X509;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_openssl::SslStream;

use super::crash::letters;
use super::probe::{Held, Ledger, until};
use super::takeover::post;
use super::{Served, Workspace};
use crate::support::otp;
use crate::support::sender::{Identity, tls};

const CLIENTS: usize = 2_000;
/// Before measuring, so that what is allocated once exists.
const WARM_UP: usize = 400;
const AT_ONCE: usize = 16;

/// All connections have ended by then: the time limits of a body and of a disconnect.
const CLOSED_WITHIN: Duration = Duration::from_secs(10);
/// In a debug build on a busy machine.
const ANSWERED_WITHIN: Duration = Duration::from_millis(500);
/// What an allocator may keep of 2,000 connections. Each that stayed would cost 40 KiB and more for TLS alone: 80 MiB.
const GROWTH_KIB: usize = 8 * 1024;

const ROWS: &str = "SELECT count(*) FROM delivery";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_clients_that_hang_up_in_a_request_leave_nothing_behind() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();
    let connector = Arc::new(tls(Some(&identity(&workspace))).build());
    disconnect_all(&gateway, &connector, 0..WARM_UP).await;
    let before = held_when_idle(&gateway, &workspace).await;

    disconnect_all(&gateway, &connector, WARM_UP..WARM_UP + CLIENTS).await;
    let after = held_when_idle(&gateway, &workspace).await;
    let mut processor = gateway.processor(&workspace.identity());
    post(&mut processor, "SHOP").await;
    let began = Instant::now();
    assert_eq!(post(&mut processor, "SHOPAGAIN").await, 204);
    let took = began.elapsed();

    println!("{before:?}, then {after:?}; a good client was answered in {took:?}");
    assert!(took <= ANSWERED_WITHIN, "{took:?}");
    assert_eq!((after.descriptors, after.threads), (before.descriptors, before.threads));
    assert!(after.memory_kib <= before.memory_kib + GROWTH_KIB, "{before:?} {after:?}");
    let mut ledger = Ledger::of(&workspace).await;
    ledger.all_ended().await;
    let arrived = workspace.sms.station().arrivals().len();
    assert_eq!((ledger.count(ROWS).await, ledger.ended_twice().await), (arrived, 0), "what was committed is sent once");
    assert!((2..CLIENTS).contains(&arrived), "{arrived}");
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}

// What the process holds once no client is connected.
async fn held_when_idle(gateway: &Served, workspace: &Workspace) -> Held {
    until("all connections have ended", CLOSED_WITHIN, || Held::by(gateway).connections == 0).await;
    Ledger::of(workspace).await.all_ended().await;
    Held::by(gateway).without_connections_to(workspace.sms.address().port())
}

async fn disconnect_all(gateway: &Served, connector: &Arc<SslConnector>, numbers: std::ops::Range<usize>) {
    let mut clients = JoinSet::new();
    for first in 0..AT_ONCE {
        let (address, connector, numbers) = (gateway.address, Arc::clone(connector), numbers.clone());
        clients.spawn(async move {
            for number in numbers.skip(first).step_by(AT_ONCE) {
                disconnect(address, &connector, number).await;
            }
        });
    }
    clients.join_all().await;
}

// In turn within the head, after the head, within the body, and before the answer; half of them with a reset (RST).
async fn disconnect(address: SocketAddr, connector: &SslConnector, number: usize) {
    let notice = otp().key(&format!("key-{number}")).with("merchantName", letters(number as u64));
    let (request, body) = (notice.request(), notice.bytes().len());
    let head = request.len() - body;
    let plain = TcpStream::connect(address).await.unwrap();
    if number % 2 == 1 {
        plain.set_zero_linger().unwrap();
    }
    let ssl = connector.configure().unwrap().verify_hostname(false).into_ssl("localhost").unwrap();
    let mut stream = SslStream::new(ssl, plain).unwrap();
    Pin::new(&mut stream).connect().await.unwrap();
    let sent = [head / 2, head, head + body / 2, request.len()][number / 2 % 4];
    stream.write_all(&request[..sent]).await.unwrap();
    stream.flush().await.unwrap();
}

/// The processor's identity, for a client that sends any bytes.
pub(super) fn identity(workspace: &Workspace) -> Identity {
    let read = |name: &str| fs::read(workspace.path("pki").join(name)).unwrap();
    let certificate = X509::from_pem(&read("processor.pem")).unwrap();
    Identity::new(certificate, PKey::private_key_from_pem(&read("processor.key")).unwrap())
}
