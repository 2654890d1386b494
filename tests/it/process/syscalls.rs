//! Every 204 after its sync, read off the kernel: a thousand requests under strace, and for each the order of the write
//! that puts its key into the write-ahead log, the sync that covers it, and the answer.
//!
//! An answer cannot be read under TLS. It is known by its place: a sender waits for one before it asks again.

use std::collections::HashMap;
use std::time::Duration;

use super::strace::{self, Trace};
use super::{Served, Workspace};
use otpost::sim::processor::OtpSample;

const CONNECTIONS: usize = 8;
const EACH: usize = 125;

/// Enough of each write to see the key in a page of the log.
const SEEN: &str = "4096";

const CALLS: &str = "trace=pwrite64,write,writev,sendto,sendmsg,recvfrom,recvmsg,read,readv,fsync,fdatasync";

/// The key of one request: fixed in length, so that what follows it in the page does not matter.
fn key(connection: usize, request: usize) -> String {
    format!("{MARK}{connection:02}-{request:04}")
}

const MARK: &str = "order-of-";
const KEY_LENGTH: usize = MARK.len() + 7;

/// One call of the kernel; when it began and ended as numbers of lines, which are in the order of time.
struct Call<'a> {
    thread: &'a str,
    name: &'a str,
    words: &'a str,
    began: usize,
    ended: Option<usize>,
    result: i64,
}

impl<'a> Call<'a> {
    /// The socket's two ends, when it is a connection to `port`.
    fn connection(&self, port: u16) -> Option<&'a str> {
        let (_, ends) = self.words.split_once("<TCP:[")?;
        let (ends, _) = ends.split_once("]>")?;
        ends.split_once("->")?.0.ends_with(&format!(":{port}")).then_some(ends)
    }

    fn is_of_the_log(&self) -> bool {
        self.words.split("-wal>").next().is_some_and(|before| before.len() < self.words.len() && !before.contains(' '))
    }

    fn is_sync(&self) -> bool {
        matches!(self.name, "fsync" | "fdatasync")
    }
}

fn result(text: &str) -> i64 {
    let number = text.rsplit_once(" = ").map(|(_, after)| after.split(' ').next().unwrap_or_default());
    number.and_then(|number| number.parse().ok()).unwrap_or(-1)
}

fn read(trace: &str) -> Vec<Call<'_>> {
    let mut calls: Vec<Call<'_>> = Vec::new();
    let mut pending: HashMap<&str, usize> = HashMap::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, said)) = line.split_once(' ') else { continue };
        let said = said.trim_start();
        if said.starts_with("<... ") {
            if let Some(call) = pending.remove(thread).map(|index| &mut calls[index]) {
                (call.ended, call.result) = (Some(at), result(said));
            }
        } else if let Some((name, words)) = said.split_once('(') {
            let ends = !said.ends_with("<unfinished ...>");
            if !ends {
                pending.insert(thread, calls.len());
            }
            let (ended, result) = if ends { (Some(at), result(said)) } else { (None, -1) };
            calls.push(Call { thread, name, words, began: at, ended, result });
        }
    }
    calls
}

/// What a trace shows.
#[derive(Debug, Default, PartialEq)]
struct Order {
    /// Answers on each connection, in the order in which the connections came.
    answers: Vec<usize>,
    /// Keys that were answered before the sync of the write that holds them had ended well.
    hasty: Vec<String>,
    /// Syncs that stood between a write with a new key and its answer.
    covering: usize,
}

fn order(trace: &str, port: u16) -> Order {
    let calls = read(trace);
    // A key is committed by the first write that holds it; covered by the next sync of the same thread that went well.
    let mut written: HashMap<&str, usize> = HashMap::new();
    for (index, call) in calls.iter().enumerate() {
        if call.name == "pwrite64" && call.is_of_the_log() {
            for (at, _) in call.words.match_indices(MARK) {
                written.entry(call.words.get(at..at + KEY_LENGTH).unwrap_or_default()).or_insert(index);
            }
        }
    }
    let covering = |write: usize| {
        let same = |call: &&Call<'_>| call.thread == calls[write].thread && call.is_sync() && call.is_of_the_log();
        calls[write..].iter().find(same).filter(|sync| sync.result == 0)
    };
    let mut order = Order::default();
    let mut syncs = std::collections::BTreeSet::new();
    let mut lines: HashMap<&str, (usize, bool)> = HashMap::new();
    for call in &calls {
        let Some(ends) = call.connection(port) else { continue };
        let came = lines.len();
        let (number, has_asked) = lines.entry(ends).or_insert((came, false));
        if call.name.starts_with("re") {
            *has_asked |= call.result > 0;
            continue;
        }
        if !std::mem::take(has_asked) {
            continue;
        }
        // The first thing said to whoever has spoken is the handshake.
        let Some(answered) = order.answers.get_mut(*number) else {
            order.answers.push(0);
            continue;
        };
        let key = key(*number, *answered);
        *answered += 1;
        let sync = written.get(key.as_str()).and_then(|write| covering(*write));
        match sync.and_then(|sync| sync.ended) {
            Some(ended) if ended < call.began => drop(syncs.insert(ended)),
            _ => order.hasty.push(key),
        }
    }
    order.covering = syncs.len();
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_answers_follow_the_sync_that_covers_them() {
    if !strace::may_run() {
        return;
    }
    let workspace = Workspace::new("").await;
    let trace = Trace::in_folder(workspace.folder.path());
    let command = trace.command(&["--seccomp-bpf", "-yy", "-s", SEEN, "-e", CALLS]);
    let mut gateway = Served::try_start(command, &workspace.path("otpost.toml"), "info").unwrap();
    let mut senders = Vec::new();
    for connection in 0..CONNECTIONS {
        let mut processor = gateway.processor(&workspace.identity());
        let otp = OtpSample::default().sample();
        // One after the other, so that connections are known by the order in which they come.
        let first = processor.post(otp.path, &otp.body, Some(&key(connection, 0))).await.unwrap();
        assert_eq!(first.status, 204);
        senders.push(processor);
    }

    let busy = senders.into_iter().enumerate().map(|(connection, mut processor)| {
        tokio::spawn(async move {
            for request in 1..EACH {
                let otp = OtpSample::default().sample();
                let answer = processor.post(otp.path, &otp.body, Some(&key(connection, request))).await.unwrap();
                assert_eq!(answer.status, 204);
            }
            // Kept open: a farewell would be one more thing said.
            processor
        })
    });
    let mut open = Vec::new();
    for sender in busy.collect::<Vec<_>>() {
        open.push(sender.await.unwrap());
    }
    let id = gateway.child.id();
    gateway.signal("-KILL");
    gateway.ended_within(Duration::from_secs(15));
    let order = order(&trace.read(id), gateway.address.port());

    println!("{} answers after {} syncs", CONNECTIONS * EACH, order.covering);
    assert_eq!(order.answers, vec![EACH; CONNECTIONS]);
    assert_eq!(order.hasty, Vec::<String>::new(), "answered before they were on disk");
    assert!(order.covering < CONNECTIONS * EACH, "never did one sync cover several");
}

/// A trace of one connection that asks twice; what stands between question and answer is for the test to say.
fn traced(between: &[&str]) -> String {
    let socket = "9<TCP:[127.0.0.1:8443->127.0.0.1:40000]>";
    let log = "5</ws/otpost.db-wal>";
    let hello = [
        format!("7 recvfrom({socket}, \"hello\", 5, 0, NULL, NULL) = 5"),
        format!("7 sendto({socket}, \"hi\", 2) = 2"),
    ];
    let asked = format!("7 recvfrom({socket}, \"xx\", 2, 0, NULL, NULL) = 2");
    let mut lines = hello.to_vec();
    lines.push(asked);
    lines.extend(
        between.iter().map(|line| line.replace("SOCKET", socket).replace("LOG", log).replace("KEY", &key(0, 0))),
    );
    lines.join("\n")
}

#[test]
fn an_answer_before_its_sync_is_found_in_a_trace() {
    let write = "6 pwrite64(LOG, \"..KEY..\"..., 4096, 56) = 4096";
    let sync = "6 fsync(LOG) = 0";
    let answer = "7 sendto(SOCKET, \"yy\", 2, MSG_NOSIGNAL, NULL, 0) = 2";
    let hasty = |between: &[&str]| order(&traced(between), 8443).hasty.len();

    assert_eq!(hasty(&[write, sync, answer]), 0, "in good order");
    assert_eq!(hasty(&[write, answer, sync]), 1, "no sync before");
    assert_eq!(hasty(&[sync, write, answer, sync]), 1, "a sync before the write");
    assert_eq!(hasty(&[answer]), 1, "never written");
    assert_eq!(hasty(&[write, "8 fsync(LOG) = 0", answer, sync]), 1, "one else's sync");
    assert_eq!(hasty(&[write, "6 fsync(6</ws/otpost.db>) = 0", answer, sync]), 1, "a sync of another file");
    assert_eq!(hasty(&[write, "6 fsync(LOG) = -1 EIO (Input/output error)", answer]), 1, "a sync that failed");
    let (begins, ends) = ("6 fsync(LOG <unfinished ...>", "6 <... fsync resumed>) = 0");
    assert_eq!(hasty(&[write, begins, ends, answer]), 0, "a sync in two lines");
    assert_eq!(hasty(&[write, begins, answer, ends]), 1, "a sync that has not ended");
}
