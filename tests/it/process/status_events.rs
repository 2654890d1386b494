//! Status events of a real process, to a receiver in Python that verifies them by its library of Standard Webhooks, and that is away for
//! a while.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use super::canary::get;
use super::probe::{Ledger, until};
use super::takeover::post;
use super::{OTPOST, Served, Workspace};
use crate::support::receipt_provider::{SECRET, signed_receipt};

const SIGNING_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PATIENCE: Duration = Duration::from_mins(1);

/// Each of a delivery's audit events that must be told, with the status that it is told as.
const TOLD: &str = "SELECT lower(hex(delivery_id)) || ' ' || seq || ' delivery.' || CASE kind WHEN 'given_up' THEN 'failed' ELSE kind END
    FROM audit_event WHERE kind IN ('sent', 'confirmed', 'given_up') ORDER BY seq";

/// The program of a receiver, and what it took.
struct Receiver {
    folder: TempDir,
    port: u16,
    refused: String,
    running: Option<Child>,
}

/// One request that the receiver took.
#[derive(Deserialize)]
struct Taken {
    id: String,
    event: Value,
    raw: String,
}

impl Receiver {
    fn start(refused: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut receiver = Self { folder, port: 0, refused: refused.to_owned(), running: None };
        receiver.resume();
        receiver
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("taken.jsonl")
    }

    fn resume(&mut self) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(root.join("target/tools/python/bin/python3"));
        command.arg(root.join("tests/it/support/status_receiver.py")).arg(self.port.to_string());
        command.arg(SIGNING_SECRET).arg(self.log()).arg(&self.refused).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.port = line.trim().parse().unwrap();
        self.running = Some(child);
    }

    fn stop(&mut self) {
        let mut child = self.running.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A gateway that tells it of its deliveries.
    fn gateway(&self, workspace: &Workspace, give_up_after: &str) -> Served {
        let mut command = Command::new(OTPOST);
        command.env("OTPOST__EVENTS__URL", format!("http://127.0.0.1:{}/hook", self.port));
        command.env("OTPOST__EVENTS__SECRET", SIGNING_SECRET).env("OTPOST__EVENTS__ALLOW_PRIVATE", "true");
        command.env("OTPOST__EVENTS__GIVE_UP_AFTER", give_up_after).env("OTPOST__RECEIPTS__LISTEN", "127.0.0.1:0");
        Served::try_start(command, &workspace.path("otpost.toml"), "info").unwrap_or_else(|log| panic!("{log}"))
    }

    fn taken(&self) -> Vec<Taken> {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The events without repetitions, by their ids.
    fn ids(&self) -> HashSet<String> {
        self.taken().into_iter().map(|taken| taken.id).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(child) = &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

async fn post_codes(workspace: &Workspace, gateway: &Served, from: usize, to: usize) {
    let mut processor = gateway.processor(&workspace.identity());
    for number in from..to {
        assert_eq!(post(&mut processor, &format!("Merchant {number}")).await, 204);
    }
    until("all codes are sent", PATIENCE, || workspace.sms.station().arrivals().len() >= to).await;
}

fn receipts_address(gateway: &Served) -> SocketAddr {
    let of = |line: &str| serde_json::from_str::<Value>(line).ok()?.get("receipts")?.as_str()?.parse().ok();
    gateway.log().lines().find_map(of).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_status_event_arrives_in_order_although_the_receiver_was_away_and_the_gateway_was_killed() {
    let mut receiver = Receiver::start("");
    let workspace = Workspace::new(&format!("[provider.receipt]\nsecret = \"{SECRET}\"\n")).await;
    let mut gateway = receiver.gateway(&workspace, "24h");
    let mut ledger = Ledger::of(&workspace).await;

    post_codes(&workspace, &gateway, 0, 12).await;
    until("the first events are taken", PATIENCE, || receiver.ids().len() == 12).await;
    receiver.stop();
    post_codes(&workspace, &gateway, 12, 24).await;
    for delivery in ledger.texts("SELECT reference FROM attempt ORDER BY delivery_id LIMIT 12").await {
        signed_receipt("sms", &delivery, "delivered").post(receipts_address(&gateway)).await.expect_status(200);
    }
    until("it is noticed", PATIENCE, || gateway.log().contains("status events are not taken")).await;
    gateway.signal("-KILL");
    gateway.child.wait().unwrap();
    gateway = receiver.gateway(&workspace, "24h");
    post_codes(&workspace, &gateway, 24, 36).await;
    receiver.resume();

    until("all events are taken", PATIENCE, || receiver.ids().len() == 48).await;
    let taken = receiver.taken();
    let told = |taken: &Taken| {
        let data = &taken.event["data"];
        let delivery = data["delivery"].as_str().unwrap().replace('-', "");
        format!("{delivery} {} {}", data["sequence"], taken.event["type"].as_str().unwrap())
    };
    let expected: HashSet<_> = ledger.texts(TOLD).await.into_iter().collect();
    assert_eq!(taken.iter().map(told).collect::<HashSet<_>>(), expected);
    let mut in_order: HashMap<String, Vec<i64>> = HashMap::new();
    for it in &taken {
        let data = &it.event["data"];
        let sequences = in_order.entry(data["delivery"].to_string()).or_default();
        let sequence = data["sequence"].as_i64().unwrap();
        // What is repeated after the kill begins again where its first time was.
        if !sequences.contains(&sequence) {
            assert!(sequences.last().is_none_or(|last| *last < sequence), "{sequences:?} {sequence}");
            sequences.push(sequence);
        }
        assert_eq!(data["processor"], "processor-dev", "{}", it.raw);
        assert!(data["idempotency_key"].as_str().unwrap().starts_with("Merchant "), "{}", it.raw);
        assert!(!it.raw.contains("600100200") && !it.raw.contains("1337"), "{}", it.raw);
    }
    let bodies: BTreeMap<_, _> = taken.iter().map(|it| (&it.id, &it.raw)).collect();
    assert!(taken.iter().all(|it| bodies[&it.id] == &it.raw), "an event is the same each time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_never_taken_is_given_up_and_the_others_arrive() {
    let receiver = Receiver::start("Merchant 1\"");
    let workspace = Workspace::new("").await;
    let gateway = receiver.gateway(&workspace, "1s");

    post_codes(&workspace, &gateway, 0, 3).await;

    until("it is given up", PATIENCE, || gateway.log().contains("a status event was given up")).await;
    until("the others are taken", PATIENCE, || receiver.ids().len() == 2).await;
    let metric = "otpost_status_events_total{status=\"sent\",outcome=\"given_up\"} 1";
    until("it is counted", PATIENCE, || get(&gateway, "/metrics").contains(metric)).await;
    assert!(!gateway.log().contains("Merchant"), "{}", gateway.log());
    post_codes(&workspace, &gateway, 3, 4).await;
    until("later ones are taken", PATIENCE, || receiver.ids().len() == 3).await;
}
