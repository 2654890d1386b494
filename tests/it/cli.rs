//! The commands as an operator runs them: the real binary in a workspace of its own, and every exit code.

mod ca;
mod check;
mod delivery;
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

/// A workspace that `otpost init` made.
struct Desk {
    folder: TempDir,
}

/// What a command said, and how it ended.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        let made = run(&["init", desk.path("").to_str().unwrap()]);
        assert_eq!(made.code, 0, "{}", made.err);
        desk
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

    fn run(&self, args: &[&str]) -> Said {
        let config = self.path("otpost.toml");
        let args: Vec<_> = args.iter().copied().chain(["--config", config.to_str().unwrap()]).collect();
        run(&args)
    }
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).expect(&self.err)
    }

    /// Where `part` stands on standard output; fails when it does not.
    fn place_of(&self, part: &str) -> usize {
        let place = self.out.find(part);
        assert!(place.is_some(), "{part} is missing in\n{}{}", self.out, self.err);
        place.unwrap()
    }

    /// Fails when `secret` can be read in anything the command wrote.
    fn keeps(&self, secret: &str) {
        assert!(!self.out.contains(secret) && !self.err.contains(secret), "{}{}", self.out, self.err);
    }
}

fn run(args: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_otpost"));
    let ended = command.args(args).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: ended.status.code().unwrap(), out: text(ended.stdout), err: text(ended.stderr) }
}

#[test]
fn a_workspace_is_not_made_over_another_one() {
    let desk = Desk::new();
    let key = std::fs::read(desk.path("keys/seal.key")).unwrap();

    let again = run(&["init", desk.path("").to_str().unwrap()]);

    assert_eq!(again.code, 2);
    assert!(again.err.contains("is not empty"), "{}", again.err);
    assert_eq!(std::fs::read(desk.path("keys/seal.key")).unwrap(), key);
}

#[test]
fn a_command_without_its_configuration_says_which_file_is_missing() {
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
