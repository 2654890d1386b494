//! The audit log of a real gateway: signed, published, exported, verified by three programs, and stopped when it was changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use otpost::sim::processor::OtpSample;
use serde_json::{Value, json};

use super::canary::get;
use super::{OTPOST, Workspace};
use crate::support::{go_tiles, python};

const STOP: Duration = Duration::from_secs(30);

impl Workspace {
    /// A gateway that accepts `count` codes and stops.
    pub(super) async fn accept(&self, count: u32) -> String {
        let mut gateway = self.serve();
        let mut processor = gateway.processor(&self.identity());
        for _ in 0..count {
            assert_eq!(processor.send(&OtpSample::default().sample()).await.unwrap().status, 204);
        }
        gateway.signal("-TERM");
        assert!(gateway.ended_within(STOP).success(), "{}", gateway.log());
        gateway.log()
    }

    pub(super) fn audit(&self, args: &[&str]) -> Output {
        let mut command = Command::new(OTPOST);
        command.arg("audit").args(args);
        if args[0] != "verify" {
            command.arg("--config").arg(self.path("otpost.toml"));
        }
        command.output().unwrap()
    }

    pub(super) fn audit_json(&self, args: &[&str]) -> Value {
        let done = self.audit(args);
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    pub(super) fn verifier_key(&self) -> String {
        String::from_utf8(self.audit(&["key"]).stdout).unwrap().trim().to_owned()
    }

    pub(super) fn export(&self, name: &str) -> PathBuf {
        let folder = self.path(name);
        self.audit_json(&["export", folder.to_str().unwrap(), "--from", "1d", "--json"]);
        folder
    }

    pub(super) fn set(&self, key: &str, value: &str) {
        let config = self.path("otpost.toml");
        let text = fs::read_to_string(&config).unwrap();
        let line = text.lines().find(|line| line.starts_with(&format!("{key} "))).unwrap().to_owned();
        fs::write(config, text.replace(&line, &format!("{key} = {value}"))).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exported_log_is_valid_to_three_verifiers_and_a_changed_one_to_none() {
    let workspace = Workspace::new("").await;
    workspace.accept(300).await;
    let status = workspace.audit_json(&["status", "--json"]);
    assert_eq!(status["waiting"], 0, "a stopped gateway has signed everything: {status}");
    let (folder, key) = (workspace.export("bundle"), workspace.verifier_key());
    let at = folder.to_str().unwrap();

    let verified = workspace.audit_json(&["verify", at, "--key", &key, "--json"]);
    assert_eq!((&verified["valid"], &verified["first"]), (&json!(true), &json!(0)), "{verified}");
    assert_eq!(verified["events"], status["signed"]);
    let second: Value = serde_json::from_str(&python::run(VERIFIER, &json!({ "dir": at, "key": key }))).unwrap();
    assert_eq!((&second["size"], &second["checkpoints"]), (&verified["size"], &verified["checkpoints"]));
    assert_eq!((&second["kinds"]["accepted"], &second["kinds"]["sent"]), (&json!(300), &json!(300)));

    go_tiles::verify(&folder, &key, verified["size"].as_u64().unwrap()).unwrap();

    let entries = folder.join("tile/entries/000");
    let mut bytes = fs::read(&entries).unwrap();
    let place = bytes.windows(4).position(|bytes| bytes == b"sent").unwrap();
    bytes[place] = b'S';
    fs::write(&entries, bytes).unwrap();
    let refused = workspace.audit(&["verify", at, "--key", &key]);
    assert_eq!(refused.status.code(), Some(1));
    let reason = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(reason.contains("is NOT valid: event ") && reason.contains("not the one that was logged"), "{reason}");
    let refused = go_tiles::verify(&folder, &key, verified["size"].as_u64().unwrap()).unwrap_err();
    assert!(refused.contains("is not in the tree"), "{refused}");
}

pub(super) const VERIFIER: &str = include_str!("../support/audit_bundle.py");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_rolled_back_is_not_signed_and_codes_are_still_delivered() {
    let workspace = Workspace::new("").await;
    let published = workspace.path("published");
    workspace.set("publish", &format!("[\"{}\"]", published.display()));
    workspace.accept(3).await;
    let older = workspace.path("older.db");
    fs::copy(workspace.path("otpost.db"), &older).unwrap();
    workspace.accept(3).await;
    let newest = fs::read_to_string(published.join("checkpoint")).unwrap();
    fs::copy(older, workspace.path("otpost.db")).unwrap();
    for file in ["otpost.db-wal", "otpost.db-shm"] {
        let _ = fs::remove_file(workspace.path(file));
    }

    let log = workspace.accept(3).await;
    assert!(log.contains("an older database was restored") && log.contains("not signed any more"), "{log}");
    assert_eq!(workspace.sms.station().arrivals().len(), 9, "the codes went out");
    assert_eq!(fs::read_to_string(published.join("checkpoint")).unwrap(), newest, "nothing was published over it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_key_the_log_is_not_signed_and_the_metric_says_so() {
    let workspace = Workspace::new("").await;
    workspace.accept(1).await;
    fs::remove_file(workspace.path("keys/audit.key")).unwrap();
    let gateway = workspace.serve();
    while !gateway.log().contains("the key of the audit log is missing; restore it from your backup") {
        tokio::task::yield_now().await;
    }
    while !get(&gateway, "/metrics").contains("otpost_audit_log_ok 0") {
        tokio::task::yield_now().await;
    }
    assert!(!workspace.path("keys/audit.key").exists(), "a new key would begin a new log in silence");
    assert_eq!(workspace.audit(&["key"]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_operators_did_is_listed_and_bad_arguments_are_named() {
    let workspace = Workspace::new("").await;
    workspace.accept(1).await;
    let listed = workspace.audit_json(&["list", "--json", "--kind", "recipients_imported"]);
    assert_eq!(listed["events"].as_array().unwrap().len(), 1, "{listed}");
    let refused = |args: &[&str], expected: &str| {
        let done = workspace.audit(args);
        let text = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.code() == Some(2) && text.contains(expected), "{args:?}: {text}");
    };
    refused(&["list", "--from", "soon"], "`soon` is not a time: expected 2h");
    refused(&["export", "x", "--from", "1h", "--to", "2h"], "the range ends before it begins");
    let here = workspace.path("");
    refused(&["export", here.to_str().unwrap(), "--from", "1h"], "exists; name a directory that does not");
    refused(&["verify", "/nowhere"], "/nowhere: no such directory");
    refused(&["verify", here.to_str().unwrap(), "--key", "x"], "not a verifier key");
    assert!(!Path::new("x").exists(), "nothing is left behind");
}
