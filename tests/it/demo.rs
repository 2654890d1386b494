//! `otpost demo` as a user runs it: the real binary, real sockets, in an unrelated folder.

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
    // The demo creates its temporary folder here, so that a folder that is left behind is noticed.
    command.current_dir(folder).env("TMPDIR", folder).arg("demo");
    command
}

fn demo(folder: &Path, arguments: &[&str]) -> io::Result<Output> {
    command(folder).args(arguments).output()
}

/// A demo that runs until it is stopped or the test ends.
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

    /// All lines up to and including the first that matches.
    fn read_to(&mut self, matches: impl Fn(&str) -> bool) -> io::Result<String> {
        let mut read = String::new();
        loop {
            let line = self.lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
            read.push_str(&line);
            read.push('\n');
            if matches(&line) {
                return Ok(read);
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has already ended unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_demo_shows_every_message_once_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();

    let shown = demo(folder.path(), &["--once"]).unwrap();

    let (out, errors) = (text(&shown.stdout), text(&shown.stderr));
    assert!(shown.status.success(), "{out}{errors}");
    assert!(out.contains(&format!("{MESSAGES} messages, each delivered once")), "{out}");
    assert!(!out.contains('\u{1b}'), "no colours into a pipe: {out}");
    assert_eq!(errors, "");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_demo_uses_the_templates_of_a_folder_and_refuses_invalid_ones() {
    let folder = tempfile::tempdir().unwrap();
    let templates = folder.path().join("custom");
    otpost::render::write_shipped(&templates).unwrap();
    let file = templates.join("en/otp/push.body.hbs");
    fs::write(&file, "Use code {{otp}}: {{amount}}, {{merchant}}").unwrap();

    let changed = demo(folder.path(), &["--once", "--templates", "custom"]).unwrap();
    fs::write(&file, "Use code {{otp}}").unwrap();
    let refused = demo(folder.path(), &["--once", "--templates", "custom"]).unwrap();

    let out = text(&changed.stdout);
    assert!(changed.status.success() && out.contains("Use code 1111: PLN\u{a0}10.00, merchant test"), "{out}");
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("custom/en/otp/push.body.hbs"), "{}", text(&refused.stderr));
}

#[test]
fn with_json_the_demo_prints_its_address_and_one_object_per_request_and_message() {
    let folder = tempfile::tempdir().unwrap();

    let shown = demo(folder.path(), &["--once", "--json"]).unwrap();

    let out = text(&shown.stdout);
    assert!(shown.status.success(), "{out}{}", text(&shown.stderr));
    let events: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["type"], "gateway");
    assert!(events[0]["url"].as_str().unwrap().starts_with("https://127.0.0.1:"), "{}", events[0]);
    assert!(events[0]["certificate"].as_str().unwrap().ends_with("pki/processor.pem"), "{}", events[0]);
    let of_type = |name: &str| events.iter().filter(|event| event["type"] == name).cloned().collect::<Vec<_>>();
    let (requests, messages) = (of_type("request"), of_type("message"));
    assert!(!requests.is_empty() && requests.iter().all(|request| request["status"] == 204), "{requests:?}");
    let mut times = BTreeMap::new();
    for message in &messages {
        let of = |key: &str| message[key].as_str().unwrap().to_owned();
        *times.entry([of("kind"), of("channel"), of("contact")]).or_insert(0) += 1;
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
fn a_code_goes_through_each_kind_of_provider_to_a_program_of_other_makers() {
    let folder = tempfile::tempdir().unwrap();
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));

    let mut command = command(folder.path());
    let shown = command.current_dir(checkout).args(["--providers", "all", "--json"]).output().unwrap();

    let out = text(&shown.stdout);
    assert!(shown.status.success(), "{out}{}", text(&shown.stderr));
    let shown: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = otpost::channel::kinds().map(|report| report.kind).collect();
    assert_eq!(shown.iter().map(|it| it["kind"].as_str().unwrap()).collect::<Vec<_>>(), kinds);
    for it in &shown {
        let text = it["text"].as_str().unwrap();
        assert!(["1111", "10.00", "merchant test"].iter().all(|part| text.contains(part)), "{it}");
        assert!(it["error"].is_null() && !it["partner"].as_str().unwrap().is_empty(), "{it}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn without_a_checkout_the_demo_says_where_its_partners_are() {
    let folder = tempfile::tempdir().unwrap();

    let shown = demo(folder.path(), &["--providers", "all"]).unwrap();

    assert_eq!(shown.status.code(), Some(2));
    let errors = text(&shown.stderr);
    assert!(errors.contains("tests/partners/run cannot be started") && errors.contains("./tests/run"), "{errors}");
}

#[test]
fn a_workspace_with_a_name_is_kept_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();

    let first = demo(folder.path(), &["--once", "--dir", "here"]).unwrap();
    let second = demo(folder.path(), &["--once", "--dir", "here"]).unwrap();

    assert!(first.status.success(), "{}", text(&first.stderr));
    assert!(folder.path().join("here/otpost.toml").is_file());
    assert_eq!(second.status.code(), Some(2));
    assert!(text(&second.stderr).contains("not empty"), "{}", text(&second.stderr));
}

#[test]
fn the_demo_accepts_every_sample_of_the_api_contract() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path()).unwrap();
    running.read_to(|line| line.starts_with("Try it")).unwrap();
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

    let out = text(&posted.stdout);
    assert!(posted.status.success(), "{out}{}", text(&posted.stderr));
    assert_eq!(out.lines().filter(|line| line.contains("  204  ")).count(), 9, "{out}");
}

#[test]
fn the_printed_command_posts_a_notification_and_the_demo_shows_its_message() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path()).unwrap();
    running.read_to(|line| line.starts_with("Try it")).unwrap();
    let printed = running.read_to(|line| line.ends_with("/notifications/otp")).unwrap();

    let posted = Command::new("sh").args(["-c", &printed]).output().unwrap();
    let shown = running.read_to(|line| line.contains("Code 1111")).unwrap();
    kill_process(Pid::from_child(&running.child), Signal::TERM).unwrap();
    let ended = running.child.wait().unwrap();

    assert_eq!(text(&posted.stdout), "204\n", "{printed}{}", text(&posted.stderr));
    assert!(shown.contains("push   …a1b2") && shown.contains(" ms   Confirm your payment"), "{shown}");
    assert!(ended.success(), "{ended}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "keys are left behind");
}

#[test]
fn a_demo_whose_terminal_is_closed_leaves_no_keys_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path()).unwrap();
    running.read_to(|line| line.starts_with("Try it")).unwrap();

    kill_process(Pid::from_child(&running.child), Signal::HUP).unwrap();
    let ended = running.child.wait().unwrap();

    assert!(ended.success(), "{ended}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "keys are left behind");
}
