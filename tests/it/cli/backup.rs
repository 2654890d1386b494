//! `otpost backup` and `otpost restore`: what a backup holds, which files are removed, and what a restore refuses.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use super::{CommandOutput, Workspace};

const CSV: &str = "recipient,locale,storage_customer,sms\nc-1,pl,1337,+48600100200\nc-2,pl,1338,+48600100201\n";

fn with_recipients() -> Workspace {
    let workspace = Workspace::new();
    let file = workspace.write("recipients.csv", CSV);
    assert_eq!(workspace.run(&["recipient", "import", &file]).code, 0);
    workspace
}

fn backup(workspace: &Workspace) -> (PathBuf, Value) {
    let said = workspace.run(&["backup", workspace.path("backups").to_str().unwrap(), "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let report = said.json();
    (PathBuf::from(report["file"].as_str().unwrap()), report)
}

fn restore(workspace: &Workspace, backup: &Path, more: &[&str]) -> CommandOutput {
    workspace.run(&[["restore", backup.to_str().unwrap()].as_slice(), more].concat())
}

fn knows(workspace: &Workspace, customer: &str) -> bool {
    workspace.run(&["recipient", "show", "storage_customer", customer]).code == 0
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_backup_is_verified_counted_and_readable_by_its_owner_only() {
    let workspace = with_recipients();

    let (file, report) = backup(&workspace);

    let manifest = &report["manifest"];
    assert_eq!((&manifest["rows"]["recipient"], &manifest["rows"]["contact"]), (&Value::from(2), &Value::from(2)));
    assert_eq!(manifest["bytes"], fs::metadata(&file).unwrap().len());
    assert!(manifest["sha256"].as_str().unwrap().len() == 64 && manifest["audit_event"].as_i64() >= Some(1));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = workspace.path("backups");
    assert_eq!((mode(&folder), mode(&file), mode(&file.with_extension("json"))), (0o700, 0o600, 0o600));
    assert_eq!(names(&folder).len(), 2, "{:?}", names(&folder));
}

#[test]
fn a_backup_says_what_is_in_it_and_that_keys_are_not() {
    let workspace = with_recipients();

    let said = workspace.run(&["backup", workspace.path("backups").to_str().unwrap()]);

    assert_eq!(said.code, 0, "{}", said.err);
    said.place_of("verified");
    said.place_of("recipients       2");
    said.place_of("Keys are not part of a backup");
    let key = fs::read(workspace.path("keys/seal.key")).unwrap();
    for name in names(&workspace.path("backups")) {
        let bytes = fs::read(workspace.path("backups").join(name)).unwrap();
        assert!(!bytes.windows(16).any(|window| window == &key[..16]));
    }
}

#[test]
fn keep_removes_the_oldest_backups_of_this_database_and_nothing_else() {
    let workspace = with_recipients();
    let folder = workspace.path("backups");
    fs::create_dir(&folder).unwrap();
    let own = ["otpost-20200101T000000Z.db", "otpost-20200101T000000Z.json", "otpost-20210101T000000Z.db"];
    let left = [
        "other-20200101T000000Z.db",
        "otpost-20200101T000000Z.db.gz",
        "otpost-of-old.db",
        "otpost.db",
        "otpost-20190101T000000Z.json",
    ];
    // What an interrupted backup left.
    let partial = "otpost-20220101T000000Z.db.partial";
    for name in own.iter().chain(&left).chain([&partial]) {
        fs::write(folder.join(name), "").unwrap();
    }

    let said = workspace.run(&["backup", folder.to_str().unwrap(), "--keep", "2"]);

    assert_eq!(said.code, 0, "{}", said.err);
    said.place_of("removed ");
    let found = names(&folder);
    assert!(left.iter().all(|name| found.iter().any(|it| it == name)), "{found:?}");
    assert!(found.iter().any(|name| name == own[2]) && !found.iter().any(|name| own[..2].contains(&name.as_str())));
    assert!(!found.iter().any(|name| name == partial), "{found:?}");
    assert_eq!(found.len(), left.len() + 3);
    assert_eq!(workspace.run(&["backup", folder.to_str().unwrap(), "--keep", "0"]).code, 2);
}

#[test]
fn a_restore_brings_back_what_the_backup_had_and_keeps_what_was_there() {
    let workspace = with_recipients();
    let (file, _) = backup(&workspace);
    assert_eq!(workspace.run(&["recipient", "erase", "storage_customer", "1337", "--yes"]).code, 0);
    assert!(!knows(&workspace, "1337"));

    let refused = restore(&workspace, &file, &[]);
    let erased = !knows(&workspace, "1337");
    let restored = restore(&workspace, &file, &["--force"]);

    assert!(refused.code == 1 && refused.err.contains("otpost.db exists; with --force"), "{}", refused.err);
    assert!(erased, "the refused restore changed something");
    assert_eq!(restored.code, 0, "{}", restored.err);
    restored.place_of("recipients       2");
    assert!(knows(&workspace, "1337") && knows(&workspace, "1338"));
    let kept = names(&workspace.path("")).into_iter().find(|name| name.starts_with("otpost.db.before-")).unwrap();
    assert!(restored.out.contains(&kept), "{}", restored.out);
    assert_eq!(fs::metadata(workspace.path("otpost.db")).unwrap().permissions().mode() & 0o777, 0o600);

    fs::remove_file(workspace.path("otpost.db")).unwrap();
    assert_eq!(restore(&workspace, &file, &[]).code, 0, "a lost database is no obstacle");
    assert!(knows(&workspace, "1337"));
}

#[test]
fn a_damaged_backup_is_refused_and_the_database_stays() {
    let workspace = with_recipients();
    let (file, _) = backup(&workspace);
    let good = fs::read(&file).unwrap();
    let database = fs::read(workspace.path("otpost.db")).unwrap();
    let mut flipped = good.clone();
    let last = flipped.len() - 100;
    flipped[last] ^= 1;

    for (bytes, why) in [
        (flipped, "damaged"),
        (good[..good.len() / 2].to_vec(), "otpost-"),
        (b"no database at all".repeat(400), "otpost-"),
        (Vec::new(), "it is no database of otpost"),
    ] {
        fs::write(&file, bytes).unwrap();
        let said = restore(&workspace, &file, &["--force"]);
        assert!(said.code == 1 && said.err.contains(why) && said.err.contains("nothing was restored"), "{}", said.err);
        assert_eq!(fs::read(workspace.path("otpost.db")).unwrap(), database, "{why}");
    }
    assert_eq!(restore(&workspace, &workspace.path("nowhere.db"), &["--force"]).code, 1);
    fs::write(&file, &good).unwrap();
    assert_eq!(restore(&workspace, &file, &["--force"]).code, 0);
}

#[tokio::test]
async fn a_backup_of_a_newer_version_is_refused_by_name() {
    let workspace = with_recipients();
    let (file, _) = backup(&workspace);
    fs::remove_file(file.with_extension("json")).unwrap();
    let mut newer = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&file)).await.unwrap();
    sqlx::query("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1").execute(&mut newer).await.unwrap();
    newer.close().await.unwrap();

    let said = restore(&workspace, &file, &["--force"]);

    assert!(said.code == 1 && said.err.contains("was written by a newer otpost (schema 9999"), "{}", said.err);
}

#[tokio::test]
async fn a_database_that_a_process_has_open_is_not_replaced() {
    let workspace = with_recipients();
    let (file, _) = backup(&workspace);
    let options = SqliteConnectOptions::new().filename(workspace.path("otpost.db"));
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("SELECT count(*) FROM recipient").execute(&mut other).await.unwrap();

    let said = restore(&workspace, &file, &["--force"]);
    other.close().await.unwrap();

    assert!(said.code == 1 && said.err.contains("another process has"), "{}", said.err);
    assert_eq!(restore(&workspace, &file, &["--force"]).code, 0);
}

#[test]
fn a_backup_without_a_database_says_so() {
    let workspace = Workspace::new();
    fs::remove_file(workspace.path("otpost.db")).unwrap();

    let said = workspace.run(&["backup", workspace.path("backups").to_str().unwrap()]);

    assert!(said.code == 2 && said.err.contains("no such database"), "{}", said.err);
}

#[test]
fn a_backup_that_would_take_the_gateways_last_space_is_not_made() {
    let workspace = with_recipients();
    workspace.configure("min_free = 268435456", "min_free = 9000000000000000000");

    let said = workspace.run(&["backup", workspace.path("backups").to_str().unwrap()]);

    assert!(said.code == 1 && said.err.contains("and the backup needs"), "{}", said.err);
    assert_eq!(names(&workspace.path("backups")), Vec::<String>::new());
}
