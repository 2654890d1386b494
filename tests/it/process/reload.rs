//! What changes while the gateway runs: noticed by itself and on SIGHUP, within a second, and never when it is bad.

use std::fs;
use std::time::{Duration, Instant};

use otpost::domain::clock::{Clock, SystemClock};
use otpost::pki::{self, Authority};
use otpost::sim::processor::{OtpSample, Processor};

use super::{Served, Workspace};

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_struck_off_the_list_is_refused_within_a_second_on_its_open_connection() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();
    let mut processor = gateway.processor(&workspace.identity());
    assert_eq!(post(&mut processor).await, Some(204));

    let began = Instant::now();
    let text = fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let listed = text.find("\nspki = [\"").unwrap() + 10;
    let other = openssl::base64::encode_block(&[0; 32]);
    let text = format!("{}{other}{}", &text[..listed], &text[listed + 44..]);
    replace(&workspace, "otpost.toml", &text.replace("threads = 1", "threads = 2"));
    while post(&mut processor).await == Some(204) {}

    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    heard(&gateway, "need a restart").await;
    let log = gateway.log();
    let line = log.lines().find(|line| line.contains("need a restart")).unwrap();
    assert!(line.contains("ingest.threads") && !line.contains("ingest.client"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_new_pair_is_not_taken_and_the_other_half_is_waited_for() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();
    let read = |name: &str| fs::read(workspace.path(name)).unwrap();
    let authority = Authority::load(&read("pki/dev/ca.pem"), &read("pki/dev/ca.key"), None).unwrap();
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let new = authority.issue_server(&names, 7, SystemClock.now()).unwrap();

    replace(&workspace, "pki/server.pem", &String::from_utf8(new.certificate.to_pem().unwrap()).unwrap());
    heard(&gateway, "not the key of ingest.certificate").await;
    assert_eq!(post(&mut gateway.processor(&workspace.identity())).await, Some(204));
    replace(&workspace, "pki/server.key", &String::from_utf8(new.key.private_key_to_pem_pkcs8().unwrap()).unwrap());
    heard(&gateway, "were reloaded").await;

    assert_eq!(post(&mut gateway.processor(&workspace.identity())).await, Some(204));
    assert!(gateway.log().contains(&pki::describe(&new.certificate).unwrap().not_after.to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_reads_everything_again() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();

    gateway.signal("-HUP");
    heard(&gateway, "were reloaded").await;
    let good = fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    replace(&workspace, "otpost.toml", "[ingest");
    gateway.signal("-HUP");
    heard(&gateway, "the old files stay in force").await;

    assert_eq!(post(&mut gateway.processor(&workspace.identity())).await, Some(204));
    replace(&workspace, "otpost.toml", &good);
}

async fn post(processor: &mut Processor) -> Option<u16> {
    processor.send(&OtpSample::default().sample()).await.ok().map(|answer| answer.status)
}

fn replace(workspace: &Workspace, name: &str, text: &str) {
    let draft = workspace.path(&format!("{name}.draft"));
    fs::write(&draft, text).unwrap();
    fs::rename(draft, workspace.path(name)).unwrap();
}

async fn heard(gateway: &Served, words: &str) {
    let began = Instant::now();
    while !gateway.log().contains(words) {
        assert!(began.elapsed() < PATIENCE, "no {words:?} in {}", gateway.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
