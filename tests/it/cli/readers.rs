//! Operators who only look: a user of a group that may read the database, without the providers' secrets and without keys.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::delivery::{accept, open};
use super::{CommandOutput, Workspace, output};

/// The user and group `nobody`, who own nothing.
const NOBODY: u32 = 65534;

const PROVIDER: &str = "[[provider]]\nname = \"app\"\nkind = \"push_http\"\nurl = \"https://127.0.0.1:1/\"\n\
    headers = { authorization = \"env:OTPOST_TEST_NOT_SET\" }\n\
    [[provider]]\nname = \"sms\"\nkind = \"sms_gateway\"\nurl = \"https://127.0.0.1:1/\"\n\
    password = \"file:keys/sms-password\"\nuser = \"bank\"\n\
    [provider.receipt]\nsecret = \"env:OTPOST_TEST_NOT_SET\"";

/// Commands that only look.
const LOOKING: [&[&str]; 9] = [
    &["delivery", "list"],
    &["provider", "list"],
    &["route", "explain", "--kind", "otp", "--to", "+48600100200"],
    &["template", "list"],
    &["template", "check"],
    &["template", "preview", "--kind", "otp", "--locale", "pl"],
    &["template", "history"],
    &["key", "list"],
    &["report", "summary"],
];

impl Workspace {
    /// Opens the workspace to a group of readers, as the operations guide says. `false` where tests do not run as root, and
    /// so cannot be another user.
    fn open_to_readers(&self) -> bool {
        if !rustix::process::geteuid().is_root() {
            return false;
        }
        fs::set_permissions(self.folder.path(), Permissions::from_mode(0o755)).unwrap();
        share(&self.path(""), 0o2750);
        for name in ["otpost.toml", "otpost.db"] {
            share(&self.path(name), 0o640);
        }
        for name in ["templates", "pki", "pki/dev"] {
            share_all(&self.path(name));
        }
        true
    }

    /// Runs a command as `nobody`.
    fn run_as_reader(&self, args: &[&str]) -> CommandOutput {
        let binary = self.folder.path().join("otpost");
        if !binary.exists() {
            let built = env!("CARGO_BIN_EXE_otpost");
            fs::hard_link(built, &binary).or_else(|_| fs::copy(built, &binary).map(drop)).unwrap();
        }
        output(Command::new(binary).args(args).arg("--config").arg(self.path("otpost.toml")).uid(NOBODY).gid(NOBODY))
    }
}

fn share(path: &Path, mode: u32) {
    chown(path, None, Some(NOBODY)).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn share_all(folder: &Path) {
    share(folder, 0o750);
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match entry.extension() {
            _ if entry.is_dir() => share_all(&entry),
            Some(extension) if extension == "key" => {}
            _ => share(&entry, 0o640),
        }
    }
}

fn succeeds(said: &CommandOutput, args: &[&str]) {
    assert_eq!(said.code, 0, "{args:?}: {}{}", said.out, said.err);
}

#[test]
fn looking_needs_no_secrets_of_providers_and_check_names_the_missing_ones() {
    let workspace = Workspace::small();
    workspace.append(PROVIDER);
    workspace.import("1337");

    for args in LOOKING {
        succeeds(&workspace.run(args), args);
    }
    succeeds(&workspace.run(&["recipient", "show", "storage_customer", "1337"]), &["recipient", "show"]);
    let checked = workspace.run(&["check"]);
    let served = workspace.run(&["serve"]);

    assert_eq!(checked.code, 2);
    let missing = "provider app: headers.authorization: environment variable OTPOST_TEST_NOT_SET is not set";
    checked.place_of(missing);
    checked.place_of("provider sms: password: ");
    checked.place_of("SPKI pin");
    checked.place_of("1 recipient");
    assert_eq!(checked.out.lines().filter(|line| line.starts_with("error")).count(), 3, "{}", checked.out);
    assert_eq!(served.code, 2);
    assert!(served.err.contains(missing), "{}", served.err);
}

#[tokio::test]
async fn a_reader_looks_at_deliveries_while_the_gateway_runs_and_after_it_has_stopped() {
    let workspace = Workspace::small();
    workspace.append(PROVIDER);
    workspace.import("1337");
    if !workspace.open_to_readers() {
        return;
    }
    let store = open(&workspace).await;
    let id = accept(&store).await.id.to_string();

    for running in [true, false] {
        for args in LOOKING {
            succeeds(&workspace.run_as_reader(args), args);
        }
        let list = workspace.run_as_reader(&["delivery", "list"]);
        let show = workspace.run_as_reader(&["delivery", "show", &id]);
        let check = workspace.run_as_reader(&["check"]);
        assert!(list.out.contains(&id), "{running}: {}{}", list.out, list.err);
        assert!(show.out.contains("card_unlocked"), "{running}: {}{}", show.out, show.err);
        check.place_of("1 recipient");
        if running {
            store.close().await.unwrap();
        }
    }
    drop(store);
    assert!(workspace.run_as_reader(&["delivery", "list"]).out.contains(&id));
}

#[test]
fn a_reader_is_told_who_owns_what_is_closed_to_readers() {
    let workspace = Workspace::small();
    workspace.import("1337");
    if !workspace.open_to_readers() {
        return;
    }
    let denied = "permission denied: ";
    let owner = "owner root, group ";
    let me = "this is user nobody, who cannot ";

    let shown = workspace.run_as_reader(&["recipient", "show", "storage_customer", "1337"]);
    let drained = workspace.run_as_reader(&["provider", "drain", "app"]);
    let served = workspace.run_as_reader(&["serve"]);
    let config = workspace.path("otpost.toml");
    fs::set_permissions(&config, Permissions::from_mode(0o600)).unwrap();
    let closed = workspace.run_as_reader(&["delivery", "list"]);

    for (said, path) in [(&shown, "keys"), (&served, "seal.key"), (&closed, "otpost.toml")] {
        assert_ne!(said.code, 0);
        for part in [denied, owner, me, path, "mode "] {
            assert!(said.err.contains(part), "{part}: {}", said.err);
        }
        assert!(!said.err.contains("another otpost"), "{}", said.err);
    }
    assert!(drained.code != 0 && drained.err.contains(denied), "{}", drained.err);
}

#[test]
fn a_gateway_that_may_not_write_says_so_and_not_that_another_one_is_running() {
    let workspace = Workspace::small();
    if !workspace.open_to_readers() {
        return;
    }
    for name in ["keys", "keys/seal.key", "pki/server.key", "pki/processor.key"] {
        share(&workspace.path(name), if workspace.path(name).is_dir() { 0o750 } else { 0o640 });
    }

    let served = workspace.run_as_reader(&["serve"]);
    let imported = workspace.run_as_reader(&["recipient", "erase", "storage_customer", "1337", "--yes"]);

    for said in [served, imported] {
        assert_ne!(said.code, 0);
        assert!(said.err.contains("otpost.db: permission denied: owner root, group "), "{}", said.err);
        assert!(said.err.contains("mode 640; this is user nobody, who cannot write it"), "{}", said.err);
        assert!(!said.err.contains("another otpost"), "{}", said.err);
    }
}
