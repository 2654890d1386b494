//! The commands as an operator runs them: the real binary in its own workspace, and every exit code.

mod backup;
mod ca;
mod check;
mod delivery;
mod help;
mod key;
mod preview;
mod provider;
mod recipients;
mod route;
mod template;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

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
        workspace
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
    let mut command = Command::new(env!("CARGO_BIN_EXE_otpost"));
    let ended = command.args(args).stdin(Stdio::null()).output().unwrap();
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
