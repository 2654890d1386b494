//! A disk that fails, a disk that is full now and then, and kills at the borders of a commit: strace makes up the
//! kernel's answers to the real binary. Whatever happens no 204 is false, and a disk that failed ends the process.
//!
//! 500 faults in all; `OTPOST_TEST_FAULTS` is another number.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::strace::{self, Trace, made_up};
use super::tally::{self, Tally};
use super::{Served, Workspace};

const SENDERS: usize = 3;

/// How long senders wait for a fault that does not occur.
const PATIENCE: Duration = Duration::from_secs(10);

/// Of all faults, this many in a hundred: `of(20)` is 100 in CI.
#[expect(clippy::disallowed_methods, reason = "how long a test runs is no setting of the gateway's")]
fn of(hundredths: usize) -> usize {
    let all = std::env::var("OTPOST_TEST_FAULTS").map_or(500, |number| number.parse().unwrap());
    (all * hundredths).div_ceil(100)
}

fn is_ready(gateway: &Served) -> bool {
    let mut said = String::new();
    let asked = TcpStream::connect(gateway.ops).and_then(|mut stream| {
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        stream.read_to_string(&mut said)
    });
    asked.is_ok() && said.starts_with("HTTP/1.1 200")
}

/// A workspace, and all answers of its gateways.
struct Trial {
    workspace: Workspace,
    trace: Trace,
    tally: Tally,
}

impl Trial {
    async fn new() -> Self {
        let workspace = Workspace::new("").await;
        let trace = Trace::in_folder(workspace.folder.path());
        Self { workspace, trace, tally: Tally::default() }
    }

    fn database(&self) -> PathBuf {
        self.workspace.path("otpost.db")
    }

    fn start(&self, arguments: &[&str]) -> Result<Served, String> {
        Served::try_start(self.trace.command(arguments), &self.workspace.path("otpost.toml"), "info")
    }

    /// The gateway with faults in its calls on the write-ahead log.
    fn on_the_log(&self, fault: &str) -> Result<Served, String> {
        let log = self.workspace.path("otpost.db-wal");
        let trace = format!("trace={}", fault.split(':').next().unwrap());
        // A signal from strace comes to nothing where the kernel's filter has stopped the call.
        let filter: &[&str] = if fault.contains("signal") { &[] } else { &["--seccomp-bpf"] };
        self.start(&[filter, &["-P", log.to_str().unwrap(), "-e", &trace, "-e", &format!("inject={fault}")]].concat())
    }

    /// Sends until the gateway is gone; returns its exit code, `None` when it was killed.
    async fn send_until_it_ends(&self, gateway: &mut Served) -> Option<i32> {
        let senders = self.tally.send(SENDERS, &self.workspace, gateway);
        let began = Instant::now();
        while gateway.child.try_wait().unwrap().is_none() {
            if began.elapsed() > PATIENCE {
                let idle = senders.iter().filter(|sender| sender.is_finished()).count();
                panic!("no fault, {idle} senders have given up: {}", gateway.log());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.tally.stop(senders).await;
        gateway.child.wait().unwrap().code()
    }

    /// Whatever was accepted is in the file.
    async fn nothing_is_lost(&self, after: &str) {
        let kept = tally::kept(&self.database()).await;
        let answers = self.tally.answers();
        let lost: Vec<_> = answers.accepted.iter().filter(|mark| !kept.contains(*mark)).collect();
        assert_eq!(lost, Vec::<&String>::new(), "204 and not there after {after}");
    }

    /// A gateway without faults sends all that is left; nothing is sent twice except after interrupted attempts.
    async fn all_is_told(&self) -> usize {
        let _gateway = self.workspace.serve();
        let interrupted = tally::settled(&self.database()).await;
        let told = tally::told(&self.workspace);
        let accepted = self.tally.answers().accepted.clone();
        let untold: Vec<_> = accepted.iter().filter(|mark| !told.contains_key(*mark)).collect();
        assert_eq!(untold, Vec::<&String>::new(), "accepted and never told");
        let repeated: usize = told.values().map(|times| times - 1).sum();
        assert!(repeated <= usize::try_from(interrupted).unwrap(), "{repeated} repeated, {interrupted} interrupted");
        assert_eq!(tally::integrity(&self.database()).await, "ok");
        repeated
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_before_the_write_the_sync_or_the_answer_loses_nothing() {
    if !strace::may_run() {
        return;
    }
    let trial = Trial::new().await;
    let (each, mut rng) = (of(4), StdRng::seed_from_u64(20_261_123));

    for round in 0..each * 3 {
        let (writes, syncs, answers) = (60..300, 5..30, 4..40);
        let mut when = |calls| rng.random_range(calls);
        let gateway = match round % 3 {
            0 => trial.on_the_log(&format!("pwrite64:signal=KILL:when={}", when(writes))),
            1 => trial.on_the_log(&format!("fsync:signal=KILL:when={}", when(syncs))),
            _ => {
                let fault = format!("inject=sendto:signal=KILL:when={}", when(answers));
                trial.start(&["-e", "trace=sendto", "-e", &fault])
            }
        };
        let mut gateway = gateway.unwrap();
        let ended = trial.send_until_it_ends(&mut gateway).await;
        assert_eq!(ended, None, "killed: {}", gateway.log());
        trial.nothing_is_lost("a kill").await;
    }

    let repeated = trial.all_is_told().await;
    println!("{} kills, {}, {repeated} repeated", each * 3, trial.tally.counted());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_failure_ends_the_process_and_no_204_is_false() {
    if !strace::may_run() {
        return;
    }
    let trial = Trial::new().await;
    let (each, mut rng) = (of(4), StdRng::seed_from_u64(20_261_124));

    for round in 0..each * 2 {
        let fault = match round % 2 {
            0 => format!("pwrite64:error=EIO:when={}", rng.random_range(60..300)),
            _ => format!("fsync:error=EIO:when={}", rng.random_range(5..30)),
        };
        let mut gateway = trial.on_the_log(&fault).unwrap();
        let ended = trial.send_until_it_ends(&mut gateway).await;
        assert_eq!(ended, Some(1), "{fault}: {}", gateway.log());
        trial.nothing_is_lost(&fault).await;
    }

    let repeated = trial.all_is_told().await;
    println!("{} failures, {}, {repeated} repeated", each * 2, trial.tally.counted());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intermittently_full_disk_costs_503s_and_nothing_else() {
    if !strace::may_run() {
        return;
    }
    let trial = Trial::new().await;
    let (wanted, mut faults) = (of(80), 0);

    while faults < wanted {
        // Some thirty writes are one commit: most go through, and all parts of one are hit.
        let mut gateway = trial.on_the_log("pwrite64:error=ENOSPC:when=400+89").unwrap();
        let (enough, began) = (trial.tally.answers().refused.len() + wanted / 3, Instant::now());
        let senders = trial.tally.send(SENDERS, &trial.workspace, &gateway);
        while trial.tally.answers().refused.len() < enough && began.elapsed() < PATIENCE * 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        trial.tally.stop(senders).await;
        let ready = is_ready(&gateway);
        gateway.signal("-TERM");
        let ended = gateway.ended_within(Duration::from_secs(20));

        assert!(ready && ended.success(), "a full disk passes: {ended}, {}", gateway.log());
        trial.nothing_is_lost("a full disk").await;
        faults += made_up(&trial.trace.read(gateway.child.id()));
    }

    assert_eq!(trial.all_is_told().await, 0, "nobody died, so nobody is told twice");
    println!("{faults} faults, {}", trial.tally.counted());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_with_an_unknown_result_is_not_a_204_and_its_repeat_is() {
    if !strace::may_run() {
        return;
    }
    let trial = Trial::new().await;
    let mut found = 0;

    for when in 4..4 + of(2) {
        // Nothing but acceptances is synced while nothing is sent.
        let gateway = trial.trace.command(&[
            "--seccomp-bpf",
            "-P",
            trial.workspace.path("otpost.db-wal").to_str().unwrap(),
            "-e",
            "trace=fsync",
            "-e",
            &format!("inject=fsync:error=EIO:when={when}"),
        ]);
        let mut gateway = paused(gateway, &trial.workspace);
        let mut processor = gateway.processor(&trial.workspace.identity());
        let mark = loop {
            let mark = trial.tally.mark();
            if trial.tally.post(&mut processor, &mark).await != 204 {
                break mark;
            }
        };
        assert!(!is_ready(&gateway), "ready although the disk has failed");
        assert_eq!(gateway.ended_within(PATIENCE).code(), Some(1), "{}", gateway.log());
        found += usize::from(tally::kept(&trial.database()).await.contains(&mark));

        let next = trial.workspace.serve();
        let mut processor = next.processor(&trial.workspace.identity());
        assert_eq!(trial.tally.post(&mut processor, &mark).await, 204, "the repeat");
        tally::settled(&trial.database()).await;
    }

    let told = tally::told(&trial.workspace);
    assert!(told.values().all(|times| *times == 1), "each told once");
    assert!(found > 0, "the write stands in the file although its sync failed");
    trial.nothing_is_lost("a failed sync").await;
}

fn paused(mut command: Command, workspace: &Workspace) -> Served {
    command.env("OTPOST__DELIVERY__PAUSED", "true");
    Served::try_start(command, &workspace.path("otpost.toml"), "info").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_does_not_start_when_its_database_cannot_be_opened() {
    if !strace::may_run() {
        return;
    }
    let trial = Trial::new().await;
    let database = trial.database();

    for error in ["EIO", "EACCES", "EMFILE", "EROFS", "ENOSPC"] {
        let fault = format!("inject=openat:error={error}:when=1+");
        let begun =
            trial.start(&["--seccomp-bpf", "-P", database.to_str().unwrap(), "-e", "trace=openat", "-e", &fault]);
        let log = begun.map(drop).unwrap_err();
        assert!(log.contains("exit status: 2") || log.contains("exit status: 1"), "{error}: {log}");
    }
    trial.workspace.serve();
}
