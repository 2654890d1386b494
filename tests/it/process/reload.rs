//! Reloads of a running gateway: on a change of a file and on SIGHUP, within a second, and never with a bad file.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use openssl::x509::X509;
use otpost::domain::clock::{Clock, SystemClock};
use otpost::pki::{self, Authority};
use otpost::sim::processor::{OtpSample, Processor};

use super::{OTPOST, Served, Workspace};
use crate::support::sender::{Line, tls};

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_removed_is_rejected_within_a_second_on_its_open_connection() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();
    let mut processor = gateway.processor(&workspace.identity());
    assert_eq!(post(&mut processor).await, Some(204));

    let began = Instant::now();
    let text = fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let listed = text.find("\nspki_pins = [\"").unwrap() + 15;
    let other = openssl::base64::encode_block(&[0; 32]);
    let text = format!("{}{other}{}", &text[..listed], &text[listed + 44..]);
    replace(&workspace, "otpost.toml", &text.replace("threads = 1", "threads = 2"));
    while post(&mut processor).await == Some(204) {}

    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    logged(&gateway, "need a restart").await;
    let log = gateway.log();
    let line = log.lines().find(|line| line.contains("need a restart")).unwrap();
    assert!(line.contains("ingest: threads 1 -> 2") && !line.contains("client"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_used_once_its_key_has_been_replaced_too() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();
    let read = |name: &str| fs::read(workspace.path(name)).unwrap();
    let authority = Authority::load(&read("pki/dev/ca.pem"), &read("pki/dev/ca.key"), None).unwrap();
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let new = authority.issue_server(&names, 7, SystemClock.now()).unwrap();

    replace(&workspace, "pki/server.pem", &String::from_utf8(new.certificate.to_pem().unwrap()).unwrap());
    logged(&gateway, "not the key of ingest.certificate").await;
    assert_eq!(post(&mut gateway.processor(&workspace.identity())).await, Some(204));
    replace(&workspace, "pki/server.key", &String::from_utf8(new.key.private_key_to_pem_pkcs8().unwrap()).unwrap());
    logged(&gateway, "revocation lists and clients reloaded").await;

    assert_eq!(post(&mut gateway.processor(&workspace.identity())).await, Some(204));
    assert!(gateway.log().contains(&pki::describe(&new.certificate).unwrap().not_after.to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_reloads_everything() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();

    gateway.signal("-HUP");
    logged(&gateway, "revocation lists and clients reloaded").await;
    let good = fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    replace(&workspace, "otpost.toml", "[ingest");
    gateway.signal("-HUP");
    logged(&gateway, "files and clients stay in use").await;

    assert_eq!(post(&mut gateway.processor(&workspace.identity())).await, Some(204));
    replace(&workspace, "otpost.toml", &good);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_receipts_certificate_is_watched_replaced_and_its_end_is_announced() {
    let workspace = Workspace::new("").await;
    let first = renew_receipts(&workspace, 5);
    let gateway = serve_with_receipts(&workspace);
    let address = receipts_address(&gateway);
    logged(&gateway, "\"certificate\":\"receipts\"").await;
    let log = gateway.log();
    let warning = log.lines().find(|line| line.contains("\"certificate\":\"receipts\"")).unwrap();
    assert!(warning.contains("certificate expires in less than 7 days: renew it this week"), "{warning}");
    assert_eq!(certificate_at(address).await, first);

    let second = renew_receipts(&workspace, 90);
    until_shown(address, &second).await;
    fs::write(workspace.path("pki/receipts.pem"), "-----BEGIN CERTIFICATE-----").unwrap();
    logged(&gateway, "reload failed").await;
    assert_eq!(certificate_at(address).await, second);

    renew_receipts(&workspace, 60);
    gateway.signal("-HUP");
    until_shown(address, &certificate_in(&workspace)).await;
    let log = gateway.log();
    assert!(!log.contains("need a restart"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_a_start_and_of_a_tls_probe_of_the_ops_port_contains_nothing_of_libraries() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();

    let _ = try_certificate_at(gateway.ops).await;
    gateway.signal("-HUP");
    logged(&gateway, "revocation lists and clients reloaded").await;

    let log = gateway.log();
    assert!(log.lines().all(|line| !line.contains("\"target\":\"actix")), "{log}");
}

fn serve_with_receipts(workspace: &Workspace) -> Served {
    let mut command = Command::new(OTPOST);
    command
        .env("OTPOST__RECEIPTS__LISTEN", "127.0.0.1:0")
        .env("OTPOST__RECEIPTS__CERTIFICATE", "pki/receipts.pem")
        .env("OTPOST__RECEIPTS__KEY", "pki/receipts.key");
    Served::try_start(command, &workspace.path("otpost.toml"), "info").unwrap_or_else(|log| panic!("{log}"))
}

/// Replaces the certificate and the key of the receipts listener; returns the certificate's pin.
fn renew_receipts(workspace: &Workspace, days: u32) -> String {
    let read = |name: &str| fs::read(workspace.path(name)).unwrap();
    let authority = Authority::load(&read("pki/dev/ca.pem"), &read("pki/dev/ca.key"), None).unwrap();
    let new = authority.issue_server(&["localhost".to_owned()], days, SystemClock.now()).unwrap();
    replace(workspace, "pki/receipts.key", &String::from_utf8(new.key.private_key_to_pem_pkcs8().unwrap()).unwrap());
    replace(workspace, "pki/receipts.pem", &String::from_utf8(new.certificate.to_pem().unwrap()).unwrap());
    pki::spki_pin(&new.certificate).unwrap()
}

fn certificate_in(workspace: &Workspace) -> String {
    let pem = fs::read(workspace.path("pki/receipts.pem")).unwrap();
    pki::spki_pin(&X509::from_pem(&pem).unwrap()).unwrap()
}

fn receipts_address(gateway: &Served) -> SocketAddr {
    let log = gateway.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.into_iter().find_map(|line| line.get("receipts")?.as_str()?.parse().ok()).unwrap()
}

async fn try_certificate_at(address: SocketAddr) -> Option<String> {
    let line = Line::try_open(address, tls(None)).await.ok()?;
    Some(pki::spki_pin(&line.server()).unwrap())
}

/// The pin of the certificate in a new handshake.
async fn certificate_at(address: SocketAddr) -> String {
    try_certificate_at(address).await.unwrap()
}

async fn until_shown(address: SocketAddr, pin: &str) {
    let began = Instant::now();
    while certificate_at(address).await != pin {
        assert!(began.elapsed() < PATIENCE, "the certificate was not replaced");
    }
}

pub(super) async fn post(processor: &mut Processor) -> Option<u16> {
    processor.send(&OtpSample::default().sample()).await.ok().map(|answer| answer.status)
}

pub(super) fn replace(workspace: &Workspace, name: &str, text: &str) {
    let draft = workspace.path(&format!("{name}.draft"));
    fs::write(&draft, text).unwrap();
    fs::rename(draft, workspace.path(name)).unwrap();
}

pub(super) async fn logged(gateway: &Served, text: &str) {
    let began = Instant::now();
    while !gateway.log().contains(text) {
        assert!(began.elapsed() < PATIENCE, "no {text:?} in {}", gateway.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_file_is_logged_once_however_often_it_is_reloaded() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();
    let good = fs::read_to_string(workspace.path("otpost.toml")).unwrap();

    fs::write(workspace.path("otpost.toml"), format!("{good}\n[nonsense]\n")).unwrap();
    fs::write(workspace.path("templates/en/otp/sms.hbs"), "{{otp").unwrap();
    logged(&gateway, "reload failed; the previous").await;
    logged(&gateway, "changed templates rejected").await;
    gateway.signal("-HUP");
    logged(&gateway, "reload failed again for the same reason").await;
    logged(&gateway, "templates rejected again for the same reason").await;

    let log = gateway.log();
    let errors = |text: &str| log.lines().filter(|line| line.contains("ERROR") && line.contains(text)).count();
    assert_eq!((errors("reload failed"), errors("templates rejected")), (1, 1), "{log}");
}
