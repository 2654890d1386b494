//! Who may read what otpost writes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{CommandOutput, Workspace};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() { found.extend(all(&entry)) } else { found.push(entry) }
    }
    found
}

fn warns(said: &CommandOutput, part: &str) -> bool {
    said.out.lines().any(|line| line.starts_with("warning") && line.contains(part))
}

#[test]
fn everything_that_is_created_is_for_its_owner_only() {
    let workspace = Workspace::small();
    workspace.import("1337");
    workspace.run(&["key", "new", "--bits", "2048"]);
    workspace.run(&["ca", "crl"]);

    for path in all(&workspace.path("")) {
        // These were written by this test.
        if !path.ends_with("otpost.toml") && !path.ends_with("one.csv") {
            assert_eq!(mode(&path) & 0o077, 0, "{} {:o}", path.display(), mode(&path));
        }
    }
}

#[test]
fn a_file_that_is_open_to_other_users_is_named_with_what_to_run() {
    let workspace = Workspace::small();
    set(&workspace.path("otpost.toml"), 0o600);
    let closed = workspace.run(&["check"]);
    assert!(!warns(&closed, "file modes") && closed.out.contains("closed to other users"), "{}", closed.out);

    for (name, wide) in [("otpost.db", 0o644), ("pki/processor.key", 0o640), ("keys/seal.key", 0o604)] {
        set(&workspace.path(name), wide);
        let said = workspace.run(&["check"]);
        assert!(warns(&said, &format!("{name}: mode {wide:03o}")) && warns(&said, "chmod 600"), "{}", said.out);
        set(&workspace.path(name), 0o600);
    }
    set(&workspace.path("keys"), 0o770);
    let said = workspace.run(&["check"]);
    assert!(warns(&said, "keys: mode 770: other users can replace the files in it"), "{}", said.out);
}

#[test]
fn a_group_of_readers_is_no_warning_for_the_database() {
    let workspace = Workspace::small();
    set(&workspace.path("otpost.db"), 0o640);
    let said = workspace.run(&["check"]);
    assert!(!warns(&said, "otpost.db") && said.out.contains("may read it"), "{}", said.out);
}

#[test]
fn a_configuration_is_a_secret_only_if_a_secret_is_written_in_it() {
    let workspace = Workspace::small();
    let provider = |password: &str| {
        format!(
            "[[provider]]\nname = \"sms\"\nkind = \"sms_gateway\"\nurl = \"https://127.0.0.1:1/\"\nuser = \"u\"\n{password}"
        )
    };
    let shipped = fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let with = |password: &str| {
        workspace.write("otpost.toml", &format!("{shipped}\n{}", provider(password)));
        set(&workspace.path("otpost.toml"), 0o644);
        workspace.run(&["check"])
    };
    workspace.write("password", "secret");
    set(&workspace.path("password"), 0o644);

    assert!(warns(&with("password = \"secret\""), "otpost.toml: mode 644"));
    let named = with("password = \"file:password\"");
    assert!(!warns(&named, "otpost.toml: mode 644") && warns(&named, "password: mode 644"), "{}", named.out);
}
