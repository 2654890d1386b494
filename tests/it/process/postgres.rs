//! Gateways on PostgreSQL: the real binary, killed under load, and two of them on one database.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use otpost::domain::clock::{Clock, SystemClock};
use otpost::domain::contact::{Channel, Contact};
use otpost::domain::recipient::{Identifier, IdentifierKind, Locale, RecipientRecord, RecipientStatus};
use otpost::sim::providers::faults::Faults;
use otpost::store::{self, OpenMode, Store, seal};

use super::crash::{letters, mark, receive, send};
use super::probe::until;
use super::takeover::post;
use super::{OTPOST, Served, Workspace};
use crate::support::postgres::Cluster;

const KILLS: u64 = 8;
const PATIENCE: Duration = Duration::from_mins(1);
const DATABASE: &str = "otpost";

/// Messages that the provider has read and not answered when their gateway is killed.
const IN_HAND: u64 = 8;
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(20);

/// A workspace whose configuration names a database of the server.
async fn workspace(server: &Cluster) -> Workspace {
    let workspace = Workspace::new("").await;
    server.create_database(DATABASE, "template1").await;
    node(&workspace, server, "otpost.toml", "one");
    let settings =
        store::Settings { url: server.url(DATABASE), folder: workspace.path("one"), ..store::Settings::default() };
    let sealing = seal::Settings { key_file: workspace.path("keys/seal.key") };
    let store = Store::open(&settings, &sealing, OpenMode::Gateway, Arc::new(SystemClock)).await.unwrap();
    let recipient = RecipientRecord {
        reference: "leon".into(),
        locale: Locale::parse("pl-PL").unwrap(),
        status: RecipientStatus::Active,
        preferences: otpost::domain::preferences::Preferences::default(),
        identifiers: vec![Identifier { kind: IdentifierKind::StorageCustomer, value: "1337".into() }],
        contacts: vec![Contact::parse(Channel::Sms, "+48600100200").unwrap()],
    };
    store.recipients().import(&[recipient], SystemClock.now()).await.unwrap();
    store.close().await.unwrap();
    workspace
}

/// The configuration of a node with a folder of its own. The password is in a file, as it should be.
fn node(workspace: &Workspace, server: &Cluster, config: &str, folder: &str) -> PathBuf {
    fs::create_dir(workspace.path(folder)).unwrap();
    fs::write(workspace.path("keys/database"), server.url(DATABASE)).unwrap();
    let text = fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let text = text.replace("url = \"sqlite:otpost.db\"", "url = \"file:keys/database\"");
    let text = ["folder = \".\"", "folder = \"one\""]
        .iter()
        .fold(text, |text, old| text.replace(old, &format!("folder = \"{folder}\"")));
    fs::write(workspace.path(config), text).unwrap();
    workspace.path(config)
}

async fn count(server: &Cluster, text: &'static str) -> i64 {
    let mut database = server.connect(DATABASE).await;
    let count = sqlx::query_scalar(text).fetch_one(&mut database).await.unwrap();
    sqlx::Connection::close(database).await.unwrap();
    count
}

async fn all_ended(server: &Cluster) {
    let began = Instant::now();
    while count(server, "SELECT count(*) FROM delivery WHERE state = 'open'").await > 0 {
        assert!(began.elapsed() < PATIENCE, "deliveries are still open");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_under_load_on_postgresql_lose_nothing() {
    let server = Cluster::with("");
    let workspace = workspace(&server).await;
    let (accepted, counter) = (Arc::new(Mutex::new(HashSet::new())), Arc::new(AtomicU64::new(0)));
    let mut messages = workspace.sms.station().subscribe();
    let mut sent = HashMap::new();

    for round in 0..KILLS {
        let gateway = workspace.serve();
        let stop = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..4).map(|_| send(&workspace, &gateway, &accepted, &counter, &stop)).collect();
        let before = accepted.lock().unwrap().len();
        let wanted = before + 5 + usize::try_from(round).unwrap() * 7;
        until("some answers", PATIENCE, || accepted.lock().unwrap().len() > wanted).await;
        gateway.signal("-KILL");
        stop.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.await.unwrap();
        }
        receive(&mut messages, &mut sent);
    }
    let _gateway = workspace.serve();
    all_ended(&server).await;
    receive(&mut messages, &mut sent);

    let accepted = accepted.lock().unwrap().clone();
    let lost: Vec<_> = accepted.iter().filter(|mark| !sent.contains_key(*mark)).collect();
    let repeated: u32 = sent.values().map(|times| times - 1).sum();
    println!("{} accepted, {} sent, {repeated} repeated", accepted.len(), sent.len());
    assert_eq!(lost, Vec::<&String>::new());
    let in_doubt = count(&server, "SELECT count(*) FROM audit_event WHERE kind = 'claimed'").await;
    assert!(i64::from(repeated) <= in_doubt, "{repeated} repeated, {in_doubt} in flight at a kill");
    let (events, last) = ("SELECT count(*) FROM audit_event", "SELECT max(seq) FROM audit_event");
    assert_eq!(count(&server, events).await, count(&server, last).await, "the audit log has no gap");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_gateways_on_one_database_one_takes_over_when_the_other_is_killed() {
    let server = Cluster::with("");
    let workspace = workspace(&server).await;
    let second = node(&workspace, &server, "two.toml", "two");
    let station = workspace.sms.station();
    let mut first = workspace.serve();
    let second = Served::start(&second, "info");
    station.behave(Faults::silent());
    let mut processor = first.processor(&workspace.identity());
    for number in 0..IN_HAND {
        assert_eq!(post(&mut processor, &letters(number)).await, 204);
    }
    until("the provider has read all", PATIENCE, || station.report().unanswered == IN_HAND).await;
    let mut arrivals = station.subscribe();

    let killed = Instant::now();
    first.signal("-KILL");
    first.child.wait().unwrap();
    station.behave(Faults::default());
    let mut told = HashSet::new();
    for _ in 0..IN_HAND {
        let arrival = tokio::time::timeout(TAKEN_OVER_WITHIN, arrivals.recv()).await.unwrap().unwrap();
        told.insert(mark(&arrival.text));
    }
    println!("from the kill to the last message of the other node: {:?}", killed.elapsed());

    assert_eq!(told.len(), usize::try_from(IN_HAND).unwrap());
    all_ended(&server).await;
    let mut processor = second.processor(&workspace.identity());
    assert_eq!(post(&mut processor, &letters(IN_HAND)).await, 204);
    let nodes =
        Command::new(OTPOST).args(["node", "list", "--json", "--config"]).arg(workspace.path("two.toml")).output();
    let nodes: serde_json::Value = serde_json::from_slice(&nodes.unwrap().stdout).unwrap();
    let states: Vec<_> =
        nodes["nodes"].as_array().unwrap().iter().map(|node| node["state"].as_str().unwrap()).collect();
    assert_eq!(states.len(), 2, "{nodes}");
    assert!(states.contains(&"alive"), "{nodes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_shows_the_password_of_the_database_and_backups_are_the_servers() {
    let server = Cluster::start();
    let workspace = workspace(&server).await;
    let url = server.url(DATABASE).replace("otpost@", "otpost:s3cretword@");
    fs::write(workspace.path("keys/database"), &url).unwrap();
    let of = |arguments: &[&str]| {
        let mut command = Command::new(OTPOST);
        let done = command.args(arguments).arg("--config").arg(workspace.path("otpost.toml")).output().unwrap();
        let text = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        assert!(!text.contains("s3cretword"), "{arguments:?}: {text}");
        text
    };

    assert!(of(&["check"]).contains("PostgreSQL 15"), "{}", of(&["check"]));
    assert!(of(&["config", "show"]).contains("file:keys/database"), "{}", of(&["config", "show"]));
    let folder = workspace.path("backups").display().to_string();
    assert!(of(&["backup", &folder]).contains("use pg_dump or pg_basebackup"));
    fs::write(workspace.path("keys/database"), url.replace("127.0.0.1", "127.0.0.1:1,127.0.0.1")).unwrap();
    assert!(of(&["node", "list"]).contains("no nodes"));
    fs::write(workspace.path("keys/database"), url.replace(&server.port().to_string(), "1")).unwrap();
    assert!(of(&["node", "list"]).contains("the database cannot be opened"));
}
