//! Keys that do not belong: to the database, to each other, or to their certificate. Each is refused with what to do.

use std::fs;
use std::sync::Arc;

use otpost::domain::clock::{Clock, SystemClock};
use otpost::store::{OpenMode, Settings, Store, seal};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::{CommandOutput, Workspace};

const WRONG_KEY: &str = "seal.key is not the key this database was sealed with: restore the key from your backup";

fn refused(said: &CommandOutput, part: &str) {
    assert_ne!(said.code, 0, "{}", said.out);
    assert!(said.err.contains(part) || said.out.contains(part), "{part}:\n{}{}", said.out, said.err);
}

async fn forget_fingerprint(workspace: &Workspace) {
    let options = SqliteConnectOptions::new().filename(workspace.path("otpost.db"));
    let mut database = options.connect().await.unwrap();
    sqlx::query("DELETE FROM seal_key").execute(&mut database).await.unwrap();
    sqlx::Connection::close(database).await.unwrap();
}

fn take_key_of(other: &Workspace, workspace: &Workspace) {
    fs::copy(other.path("keys/seal.key"), workspace.path("keys/seal.key")).unwrap();
}

#[test]
fn a_seal_key_of_another_database_is_refused_by_every_command_that_opens_the_database() {
    let (workspace, other) = (Workspace::small(), Workspace::small());
    workspace.import("1337");
    take_key_of(&other, &workspace);

    refused(&workspace.run(&["check"]), WRONG_KEY);
    for args in [
        &["serve"][..],
        &["recipient", "show", "storage_customer", "1337"],
        &["delivery", "list"],
        &["provider", "list"],
        &["recipient", "erase", "storage_customer", "1337", "--yes"],
    ] {
        refused(&workspace.run(args), WRONG_KEY);
    }
}

#[test]
fn a_missing_seal_key_is_named_with_what_to_do() {
    let workspace = Workspace::small();
    fs::remove_file(workspace.path("keys/seal.key")).unwrap();
    for args in [&["check"][..], &["serve"], &["delivery", "list"]] {
        refused(&workspace.run(args), "keys/seal.key: no such file; restore it from your backup");
    }
}

#[tokio::test]
async fn a_database_without_a_fingerprint_is_known_by_a_contact_and_gets_a_fingerprint() {
    let (workspace, other) = (Workspace::small(), Workspace::small());
    workspace.import("1337");
    forget_fingerprint(&workspace).await;
    let own = fs::read(workspace.path("keys/seal.key")).unwrap();

    take_key_of(&other, &workspace);
    refused(&workspace.run(&["check"]), WRONG_KEY);
    refused(&workspace.run(&["serve"]), WRONG_KEY);
    fs::write(workspace.path("keys/seal.key"), own).unwrap();
    assert_eq!(workspace.run(&["recipient", "show", "storage_customer", "1337"]).code, 0);
    workspace.import("1338");

    // Without a contact only the fingerprint knows the key.
    for customer in ["1337", "1338"] {
        assert_eq!(workspace.run(&["recipient", "erase", "storage_customer", customer, "--yes"]).code, 0);
    }
    take_key_of(&other, &workspace);
    refused(&workspace.run(&["check"]), WRONG_KEY);
}

#[tokio::test]
async fn an_epoch_key_of_another_seal_key_is_refused() {
    let (workspace, other) = (Workspace::small(), Workspace::small());
    for it in [&workspace, &other] {
        let settings = Settings { url: format!("sqlite:{}", it.path("otpost.db").display()), ..Settings::default() };
        let sealing = seal::Settings { key_file: it.path("keys/seal.key") };
        let store = Store::open(&settings, &sealing, OpenMode::Gateway, Arc::new(SystemClock)).await.unwrap();
        store.prepare_key(SystemClock.now()).unwrap();
        store.close().await.unwrap();
    }
    let sound = workspace.run(&["check"]);
    let key = fs::read_dir(other.path("keys/seal.epochs")).unwrap().next().unwrap().unwrap();

    fs::copy(key.path(), workspace.path("keys/seal.epochs").join(key.file_name())).unwrap();

    assert_eq!(sound.code, 0, "{}", sound.out);
    for args in [&["check"][..], &["serve"]] {
        let said = workspace.run(args);
        refused(&said, "is not an epoch key of this seal.key: restore both from one backup");
        refused(&said, key.file_name().to_str().unwrap());
    }
}

#[test]
fn an_encryption_key_under_the_name_of_another_or_missing_is_named_by_check() {
    let workspace = Workspace::small();
    let new = || workspace.run(&["key", "new", "--bits", "2048"]).out.trim_end().to_owned();
    let (one, two) = (new(), new());
    let file = |id: &str| workspace.path("pki/encryption").join(format!("{id}.pem"));

    fs::copy(file(&one), file(&two)).unwrap();
    refused(&workspace.run(&["check"]), "contains a different key than its name says; restore it from your backup");
    fs::remove_file(file(&two)).unwrap();
    refused(&workspace.run(&["check"]), "is missing, but the index lists it; restore it from your backup");
}

#[test]
fn a_ca_key_of_another_certificate_is_refused() {
    let (workspace, other) = (Workspace::small(), Workspace::small());
    fs::copy(other.path("pki/dev/ca.key"), workspace.path("pki/dev/ca.key")).unwrap();
    for args in [&["check"][..], &["ca", "crl"]] {
        let said = workspace.run(args);
        refused(&said, "the private key does not belong to the certificate; restore both from one backup");
        refused(&said, "pki/dev/ca.key");
    }
    fs::copy(other.path("pki/dev/ca.pem"), workspace.path("pki/dev/ca.pem")).unwrap();
    refused(&workspace.run(&["check"]), "was not signed by ca.pem");
}
