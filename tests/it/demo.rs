//! `otpost demo`, run as anybody would run it: the real binary, real sockets, from a folder that has nothing to do with it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const MESSAGES: usize = 12;

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_otpost"));
    // Temporary folders of the demo are made here, so that one left behind is seen.
    command.current_dir(folder).env("TMPDIR", folder).arg("demo");
    command
}

fn demo(folder: &Path, arguments: &[&str]) -> io::Result<Output> {
    command(folder).args(arguments).output()
}

/// A demo that goes on until it is told to end, or until the test does.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(folder: &Path) -> io::Result<Self> {
        let mut child = command(folder).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { child, lines: BufReader::new(out).lines() })
    }

    /// All lines up to the first that fits, that one included.
    fn read_to(&mut self, fits: impl Fn(&str) -> bool) -> io::Result<String> {
        let mut read = String::new();
        loop {
            let line = self.lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
            read.push_str(&line);
            read.push('\n');
            if fits(&line) {
                return Ok(read);
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_demo_shows_every_message_once_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();

    let shown = demo(folder.path(), &["--once"]).unwrap();

    let (out, complaints) = (said(&shown.stdout), said(&shown.stderr));
    assert!(shown.status.success(), "{out}{complaints}");
    assert!(out.contains(&format!("{MESSAGES} messages, each of them once")), "{out}");
    assert!(!out.contains('\u{1b}'), "no colours into a pipe: {out}");
    assert_eq!(complaints, "");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn who_changes_a_text_sees_it_in_the_next_demo_message() {
    let folder = tempfile::tempdir().unwrap();
    let words = folder.path().join("words");
    otpost::render::write_shipped(&words).unwrap();
    let text = words.join("pl/otp/push.body.hbs");
    fs::write(&text, "Oto kod {{otp}}: {{amount}}, {{merchant}}").unwrap();

    let changed = demo(folder.path(), &["--once", "--templates", "words"]).unwrap();
    fs::write(&text, "Oto kod {{otp}}").unwrap();
    let refused = demo(folder.path(), &["--once", "--templates", "words"]).unwrap();

    let out = said(&changed.stdout);
    assert!(changed.status.success() && out.contains("Oto kod 1111: 10,00\u{a0}zł, merchant test"), "{out}");
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused.stderr));
    assert!(said(&refused.stderr).contains("words/pl/otp/push.body.hbs"), "{}", said(&refused.stderr));
}

#[test]
fn for_programs_the_demo_writes_one_object_a_message() {
    let folder = tempfile::tempdir().unwrap();

    let shown = demo(folder.path(), &["--once", "--json"]).unwrap();

    let out = said(&shown.stdout);
    assert!(shown.status.success(), "{out}{}", said(&shown.stderr));
    let messages: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut times = BTreeMap::new();
    for message in &messages {
        let of = |key: &str| message[key].as_str().unwrap().to_owned();
        *times.entry([of("kind"), of("channel"), of("address")]).or_insert(0) += 1;
        assert!(message["milliseconds"].as_f64().unwrap() > 0.0, "{message}");
        assert!(!of("text").is_empty() && !of("locale").is_empty(), "{message}");
    }
    assert_eq!((messages.len(), times.len()), (MESSAGES, MESSAGES), "{times:?}");
    let by_channel = |channel: &str| messages.iter().filter(|message| message["channel"] == channel).count();
    assert_eq!(["push", "sms", "email"].map(by_channel), [5, 4, 3]);
    assert!(out.contains("4.500 ¥"), "yen have no decimals: {out}");
    assert!(out.contains("12,345"), "dinars have three: {out}");
}

#[test]
fn a_workspace_asked_for_is_kept_and_never_made_over_another() {
    let folder = tempfile::tempdir().unwrap();

    let first = demo(folder.path(), &["--once", "--dir", "here"]).unwrap();
    let second = demo(folder.path(), &["--once", "--dir", "here"]).unwrap();

    assert!(first.status.success(), "{}", said(&first.stderr));
    assert!(folder.path().join("here/otpost.toml").is_file());
    assert_eq!(second.status.code(), Some(2));
    assert!(said(&second.stderr).contains("not empty"), "{}", said(&second.stderr));
}

#[test]
fn every_sample_of_the_contract_is_taken_from_a_practice_processor() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path()).unwrap();
    running.read_to(|line| line.starts_with("Now you")).unwrap();
    let printed = running.read_to(|line| line.ends_with("/notifications/otp")).unwrap();
    let file = |option: &str| {
        let line = printed.lines().find(|line| line.contains(option)).unwrap();
        line.split('\'').nth(1).unwrap().to_owned()
    };
    let url = printed.trim().rsplit(' ').next().unwrap().strip_suffix("/notifications/otp").unwrap();

    let posted = Command::new(env!("CARGO_BIN_EXE_otpost"))
        .args(["simulate", "processor", "--kind", "samples", "--url", url])
        .args(["--cert", &file("--cert "), "--key", &file("--key "), "--ca", &file("--cacert ")])
        .output()
        .unwrap();
    kill_process(Pid::from_child(&running.child), Signal::TERM).unwrap();
    running.child.wait().unwrap();

    let out = said(&posted.stdout);
    assert!(posted.status.success(), "{out}{}", said(&posted.stderr));
    assert_eq!(out.lines().filter(|line| line.contains("  204  ")).count(), 9, "{out}");
}

#[test]
fn the_command_that_the_demo_prints_posts_one_more_and_the_demo_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path()).unwrap();
    running.read_to(|line| line.starts_with("Now you")).unwrap();
    let printed = running.read_to(|line| line.ends_with("/notifications/otp")).unwrap();

    let posted = Command::new("sh").args(["-c", &printed]).output().unwrap();
    let shown = running.read_to(|line| line.contains("Kod 1111")).unwrap();
    kill_process(Pid::from_child(&running.child), Signal::TERM).unwrap();
    let ended = running.child.wait().unwrap();

    assert_eq!(said(&posted.stdout), "204\n", "{printed}{}", said(&posted.stderr));
    assert!(shown.contains("push   …a1b2") && shown.contains(" ms   Potwierdź płatność"), "{shown}");
    assert!(ended.success(), "{ended}");
}
