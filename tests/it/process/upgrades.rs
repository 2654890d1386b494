//! Restarts and upgrades under load: a socket that outlives the process loses no connection, and no notification.
//!
//! A few of each; more by command:
//! `OTPOST_TEST_RESTARTS=20 cargo test --test it process::upgrades -- --nocapture`

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use otpost::sim::http_client::Target;
use otpost::sim::load::{self, LoadPlan, LoadReport};
use otpost::sim::processor::Processor;
use otpost::sim::providers::faults::Faults;
use otpost::sim::token::Token;
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinHandle;

use super::canary::get_from;
use super::probe::{Ledger, chosen, until};
use super::takeover::post;
use super::{OTPOST, Served, Workspace};

const RESTARTS: u32 = 4;
/// Chooses another number.
const RESTARTS_BY_COMMAND: &str = "OTPOST_TEST_RESTARTS";
/// Notifications a second.
const RATE: f64 = 200.0;
const CONNECTIONS: usize = 8;
/// Accepted by each process.
const BETWEEN: u64 = 60;
const PATIENCE: Duration = Duration::from_mins(1);

/// Every listener is open.
const LISTENERS: [(&str, &str); 2] =
    [("OTPOST__RECEIPTS__LISTEN", "127.0.0.1:0"), ("OTPOST__CONSOLE__LISTEN", "127.0.0.1:0")];

/// A program that opens sockets and passes them on, as systemd does.
struct ServiceManager {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    ports: BTreeMap<String, u16>,
    log: String,
}

#[derive(Deserialize)]
struct Said {
    status: Option<i32>,
    said: Vec<String>,
}

impl ServiceManager {
    fn open(workspace: &Workspace, names: &[&str]) -> Self {
        let mut child = Command::new("python3")
            .args(["-c", include_str!("../support/service_manager.py")])
            .envs(LISTENERS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (commands, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        let log = workspace.path("manager.log").display().to_string();
        let setup = json!({
            "command": [OTPOST, "serve", "--config", workspace.path("otpost.toml")],
            "environment": { "WATCHDOG_USEC": "600000" },
            "names": names,
            "notify": workspace.path("notify.sock"),
            "log": log,
        });
        let mut manager = Self { child, commands, answers: BufReader::new(stdout), ports: BTreeMap::new(), log };
        let ports: BTreeMap<String, BTreeMap<String, u16>> = manager.answer_to(&setup.to_string());
        manager.ports = ports["ports"].clone();
        manager
    }

    fn tell(&mut self, command: &str) -> Said {
        self.answer_to(command)
    }

    fn answer_to<T: serde::de::DeserializeOwned>(&mut self, line: &str) -> T {
        writeln!(self.commands.as_ref().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{line}: {answer} {log}"))
    }

    fn address(&self, name: &str) -> SocketAddr {
        ([127, 0, 0, 1], self.ports[name]).into()
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for ServiceManager {
    // It kills its process when its input ends.
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.child.wait();
    }
}

/// Notifications at a constant rate, each on its time.
struct Load {
    accepted: Arc<AtomicU64>,
    running: JoinHandle<LoadReport>,
}

impl Load {
    fn start(workspace: &Workspace, gateway: SocketAddr, duration: Duration) -> Self {
        let url = format!("https://localhost:{}", gateway.port());
        let plan = LoadPlan {
            target: Target::new(&url, Some(&workspace.identity())).unwrap(),
            rate: RATE,
            warm_up: Duration::ZERO,
            duration,
            connections: CONNECTIONS,
            customers: 1337..=1337,
            timeout: PATIENCE,
        };
        let accepted = Arc::<AtomicU64>::default();
        let counter = Arc::clone(&accepted);
        let running = tokio::spawn(async move {
            load::run(plan, move |progress| counter.store(progress.accepted, Ordering::Relaxed)).await.unwrap()
        });
        Self { accepted, running }
    }

    /// Waits until so many more were accepted.
    async fn goes_on(&self) {
        let before = self.accepted.load(Ordering::Relaxed);
        until("the load goes on", PATIENCE, || {
            self.accepted.load(Ordering::Relaxed) >= before + BETWEEN || self.running.is_finished()
        })
        .await;
        assert!(!self.running.is_finished(), "the load ended before the last restart");
    }

    /// Checks that every notification was accepted and sent once; returns what was measured.
    async fn check_complete(self, workspace: &Workspace, log: &str) -> String {
        let report = self.running.await.unwrap();
        assert!(report.all_accepted(), "{:?} {:?} {log}", report.statuses, report.errors);
        let mut ledger = Ledger::of(workspace).await;
        ledger.all_ended().await;
        assert_eq!(ledger.ended_twice().await, 0);
        let arrivals = workspace.sms.station().arrivals();
        let mut sequences: Vec<_> =
            arrivals.iter().map(|arrival| Token::find(arrival.text.as_bytes()).unwrap().sequence).collect();
        sequences.sort_unstable();
        assert_eq!(sequences, (0..report.sent).collect::<Vec<_>>(), "each is sent once");
        format!("{} sent, {:?}, {:?}; accepted: {}", report.sent, report.statuses, report.errors, report.latency)
    }
}

// A second for a restart, and some for a busy machine.
fn long_enough_for(restarts: u32) -> Duration {
    Duration::from_secs(2) * restarts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_with_sockets_of_a_service_manager_refuse_no_connection_and_lose_nothing() {
    let workspace = Workspace::new("").await;
    workspace.sms.station().behave(Faults::slow(Duration::from_millis(50)));
    let mut manager = ServiceManager::open(&workspace, &["ingest", "receipts", "console", "ops"]);
    assert!(manager.tell("start").said.contains(&"READY=1".to_owned()));
    let restarts = chosen(RESTARTS_BY_COMMAND, RESTARTS);

    let load = Load::start(&workspace, manager.address("ingest"), long_enough_for(restarts));
    for _ in 0..restarts {
        load.goes_on().await;
        let Said { status, said } = manager.tell("restart");
        assert_eq!(status, Some(0), "{}", manager.log());
        assert!(said.contains(&"STOPPING=1".to_owned()) && said.contains(&"READY=1".to_owned()), "{said:?}");
        for name in ["receipts", "console", "ops"] {
            TcpStream::connect(manager.address(name)).unwrap();
        }
    }

    let measured = load.check_complete(&workspace, &manager.log()).await;
    println!("{restarts} restarts, {measured}");
    assert!(get_from(manager.address("ops"), "/readyz").starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_takes_over_the_listeners_refuses_no_connection_and_loses_nothing() {
    let workspace = Workspace::new("").await;
    let mut running = start(&workspace.path("otpost.toml"), &[]);
    let address = running.address;
    let restarts = chosen(RESTARTS_BY_COMMAND, RESTARTS);

    let load = Load::start(&workspace, address, long_enough_for(restarts));
    for _ in 0..restarts {
        load.goes_on().await;
        let next = take_over(&workspace.path("otpost.toml"));
        assert_eq!((next.address, next.ops), (address, running.ops));
        assert!(running.ended_within(PATIENCE).success(), "{}", running.log());
        running = next;
    }

    let measured = load.check_complete(&workspace, &running.log()).await;
    println!("{restarts} restarts, {measured}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications_are_accepted_while_a_slow_provider_holds_up_the_end_of_a_process() {
    let workspace = Workspace::new("").await;
    let station = workspace.sms.station();
    station.behave(Faults::silent());
    let mut first = start(&workspace.path("otpost.toml"), &[]);
    let mut processor = first.processor(&workspace.identity());
    assert_eq!(post(&mut processor, "SHOPA").await, 204);
    until("the provider has read it", PATIENCE, || station.report().unanswered == 1).await;

    let config = workspace.path("otpost.toml");
    let next = std::thread::spawn(move || take_over(&config));
    until("the first process hands over", PATIENCE, || first.log().contains("another process takes over")).await;
    station.behave(Faults::default());
    assert_eq!(post(&mut processor, "SHOPB").await, 204);
    assert!(first.child.try_wait().unwrap().is_none(), "the provider still holds it up");

    assert!(first.ended_within(PATIENCE).success());
    let next = next.join().unwrap();
    let mut ledger = Ledger::of(&workspace).await;
    ledger.all_ended().await;
    assert!(station.arrivals().iter().any(|arrival| arrival.text.contains("SHOPB")), "{}", next.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_cannot_start_takes_nothing_over() {
    let workspace = Workspace::new("").await;
    let mut running = workspace.serve();
    let config = workspace.path("broken.toml");
    let text = fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    fs::write(&config, format!("{text}\nsmpp_host = 1\n")).unwrap();

    let (code, error) = refused(&config);

    assert_eq!(code, Some(2), "{error}");
    let mut processor = running.processor(&workspace.identity());
    assert_eq!(post(&mut processor, "SHOPA").await, 204);
    assert!(running.child.try_wait().unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_manager_is_told_of_a_start_a_reload_life_and_the_end() {
    let workspace = Workspace::new("").await;
    let mut manager = ServiceManager::open(&workspace, &["ingest"]);

    assert!(manager.tell("start").said.contains(&"READY=1".to_owned()));
    assert!(manager.tell("watch").said.contains(&"WATCHDOG=1".to_owned()));
    let said = manager.tell("reload").said;
    assert!(said.contains(&"RELOADING=1".to_owned()), "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("MONOTONIC_USEC=")), "{said:?}");
    // The sockets are the manager's: another process does not get them.
    let (code, error) = refused(&workspace.path("otpost.toml"));
    assert!(code == Some(2) && error.contains("let it restart the service"), "{error}");
    assert_eq!(manager.tell("stop").status, Some(0), "{}", manager.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_no_listener_uses_is_refused() {
    let workspace = Workspace::new("").await;
    let mut manager = ServiceManager::open(&workspace, &["ingest", "otpost.socket"]);

    let said = manager.tell("start").said;

    assert!(said.contains(&"ENDED=2".to_owned()), "{said:?}");
    assert!(manager.log().contains("but no listener uses it"), "{}", manager.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systemd_itself_passes_the_sockets() {
    let workspace = Workspace::new("").await;
    let ports = [free_port(), free_port()];
    let mut activated = Command::new("systemd-socket-activate")
        .args(ports.map(|port| format!("--listen=127.0.0.1:{port}")))
        .args(["--fdname=ingest:ops", OTPOST, "serve", "--config"])
        .arg(workspace.path("otpost.toml"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("it listens", PATIENCE, || TcpStream::connect(("127.0.0.1", ports[1])).is_ok()).await;

    let url = format!("https://127.0.0.1:{}", ports[0]);
    let mut processor = Processor::new(&url, Some(&workspace.identity())).unwrap();
    let status = post(&mut processor, "SHOPA").await;
    activated.kill().unwrap();
    activated.wait().unwrap();
    assert_eq!(status, 204);
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn take_over(config: &Path) -> Served {
    start(config, &["--take-over"])
}

fn start(config: &Path, more: &[&str]) -> Served {
    let mut command = Command::new(OTPOST);
    command.envs(LISTENERS);
    Served::try_start_with(command, config, "info", more).unwrap_or_else(|log| panic!("{log}"))
}

/// A process that is not to start.
fn refused(config: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(OTPOST);
    let ended = command.args(["serve", "--take-over", "--config"]).arg(config).output().unwrap();
    (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
}
