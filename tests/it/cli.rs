//! The commands as an operator runs them: the real binary in its own workspace, and every exit code.

mod backup;
mod ca;
mod check;
mod database;
mod delivery;
mod dispute;
mod help;
mod ingest;
mod key;
mod modes;
mod preview;
mod provider;
mod readers;
mod recipients;
mod report;
mod route;
mod seal_key;
mod template;
mod terminal;
mod user;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::gateway_files::keep_two_locales;

/// A workspace created by `otpost init`.
struct Workspace {
    folder: TempDir,
}

/// Output and exit code of a command.
struct CommandOutput {
    code: i32,
    out: String,
    err: String,
}

impl Workspace {
    fn new() -> Self {
        let workspace = Self { folder: tempfile::tempdir().unwrap() };
        let made = run(&["init", workspace.path("").to_str().unwrap()]);
        assert_eq!(made.code, 0, "{}", made.err);
        // The default ports may be taken on this machine.
        workspace.configure("127.0.0.1:8443", "127.0.0.1:0");
        workspace.configure("127.0.0.1:9464", "127.0.0.1:0");
        workspace
    }

    /// With the templates of two locales, where a test runs `check` or `serve` many times.
    fn small() -> Self {
        let workspace = Self::new();
        keep_two_locales(&workspace.path("templates"));
        workspace
    }

    /// Adds to the end of the configuration.
    fn append(&self, more: &str) {
        let text = std::fs::read_to_string(self.path("otpost.toml")).unwrap();
        self.write("otpost.toml", &format!("{text}\n{more}\n"));
    }

    /// Imports one recipient with this customer number.
    fn import(&self, customer: &str) {
        let rows = format!("recipient,locale,storage_customer,sms\nr-{customer},pl,{customer},+48600100200\n");
        let file = self.write("one.csv", &rows);
        let said = self.run(&["recipient", "import", &file]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    }

    fn path(&self, name: &str) -> PathBuf {
        let bank = self.folder.path().join("bank");
        if name.is_empty() { bank } else { bank.join(name) }
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    fn configure(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path("otpost.toml")).unwrap();
        assert!(text.contains(from), "{from}");
        self.write("otpost.toml", &text.replacen(from, to, 1));
    }

    fn run(&self, args: &[&str]) -> CommandOutput {
        let config = self.path("otpost.toml");
        let args: Vec<_> = args.iter().copied().chain(["--config", config.to_str().unwrap()]).collect();
        run(&args)
    }
}

impl CommandOutput {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).expect(&self.err)
    }

    /// Position of `part` in standard output; fails if it is missing.
    fn place_of(&self, part: &str) -> usize {
        let place = self.out.find(part);
        assert!(place.is_some(), "{part} is missing in\n{}{}", self.out, self.err);
        place.unwrap()
    }

    /// Fails if the command printed `secret`.
    fn keeps(&self, secret: &str) {
        assert!(!self.out.contains(secret) && !self.err.contains(secret), "{}{}", self.out, self.err);
    }
}

fn run(args: &[&str]) -> CommandOutput {
    output(Command::new(env!("CARGO_BIN_EXE_otpost")).args(args))
}

fn output(command: &mut Command) -> CommandOutput {
    let ended = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    CommandOutput { code: ended.status.code().unwrap(), out: text(ended.stdout), err: text(ended.stderr) }
}

#[test]
fn init_never_overwrites_a_workspace() {
    let workspace = Workspace::new();
    let key = std::fs::read(workspace.path("keys/seal.key")).unwrap();

    let again = run(&["init", workspace.path("").to_str().unwrap()]);

    assert_eq!(again.code, 2);
    assert!(again.err.contains("is not empty"), "{}", again.err);
    assert_eq!(std::fs::read(workspace.path("keys/seal.key")).unwrap(), key);
}

#[test]
fn a_missing_configuration_file_is_named() {
    for args in [["delivery", "list"], ["recipient", "show"]] {
        let mut args = args.to_vec();
        if args[1] == "show" {
            args.extend(["user", "u-1"]);
        }
        args.extend(["--config", "/nowhere/otpost.toml"]);
        let said = run(&args);
        assert_eq!(said.code, 2);
        assert!(said.err.contains("/nowhere/otpost.toml"), "{}", said.err);
    }
}
