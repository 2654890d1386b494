//! `otpost demo`, run as anybody would run it: the real binary, real sockets, from a folder that has nothing to do with it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const MESSAGES: usize = 8;

fn demo(folder: &Path, arguments: &[&str]) -> io::Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_otpost"));
    // Temporary folders of the demo are made here, so that one left behind is seen.
    command.current_dir(folder).env("TMPDIR", folder).arg("demo").args(arguments).output()
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
    assert_eq!(["push", "sms", "email"].map(by_channel), [4, 3, 1]);
    assert!(out.contains("4500") || out.contains("4,500"), "yen have no decimals: {out}");
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
