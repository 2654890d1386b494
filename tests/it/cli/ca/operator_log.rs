//! What operators do with a CA, keys, and backups is in the audit log with their names, although it happens outside the
//! database.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{Workspace, run};

/// The events of operators, the newest of each kind.
fn recorded(workspace: &Workspace) -> BTreeMap<String, Value> {
    let listed = workspace.run(&["audit", "list", "--json"]).json();
    let events = listed["events"].as_array().unwrap().iter().rev();
    let by_operator = events.filter(|event| event["actor"].as_str().unwrap().starts_with("operator:"));
    by_operator.map(|event| (event["kind"].as_str().unwrap().to_owned(), event["detail"].clone())).collect()
}

fn done(workspace: &Workspace, args: &[&str]) -> String {
    let said = workspace.run(args);
    assert_eq!(said.code, 0, "{args:?}: {}", said.err);
    assert!(!said.err.contains("not in the audit log"), "{args:?}: {}", said.err);
    said.out
}

#[test]
fn each_action_of_an_operator_is_in_the_audit_log_with_a_name() {
    let workspace = Workspace::new();
    workspace.import("1337");
    let words = workspace.write("words", "correct horse battery staple");
    let backups = workspace.path("backups");
    let backups = backups.to_str().unwrap();

    done(&workspace, &["ca", "init", "--env", "prod", "--passphrase-file", &words]);
    let signed = workspace.signed(&workspace.request("theirs", "ec:P-256", &[]), &[]);
    let serial = signed["serial"].as_str().unwrap();
    done(&workspace, &["ca", "revoke", serial, "--reason", "superseded"]);
    done(&workspace, &["ca", "crl", "--env", "dev"]);
    done(&workspace, &["ca", "encrypt", "--env", "dev", "--new-passphrase-file", &words]);
    let first = done(&workspace, &["key", "new", "--bits", "2048", "--activate"]);
    let second = done(&workspace, &["key", "new", "--bits", "2048"]);
    done(&workspace, &["key", "activate", second.trim()]);
    done(&workspace, &["key", "retire", first.trim()]);
    done(&workspace, &["backup", backups]);
    done(&workspace, &["recipient", "erase", "storage_customer", "1337", "--yes"]);

    let events = recorded(&workspace);
    let kinds: Vec<_> = events.keys().map(String::as_str).collect();
    assert_eq!(
        kinds,
        [
            "backup_made",
            "ca_created",
            "ca_key_encrypted",
            "certificate_revoked",
            "certificate_signed",
            "crl_signed",
            "encryption_key_activated",
            "encryption_key_created",
            "encryption_key_retired",
            "recipient_erased",
            "recipients_imported",
        ]
    );
    assert_eq!(
        (&events["certificate_signed"]["serial"], &events["certificate_revoked"]["serial"]),
        (&serial.into(), &serial.into())
    );
    assert_eq!(events["encryption_key_retired"]["key"], first.trim());
    assert_eq!(events["ca_created"]["environment"], "prod");

    let backup = std::fs::read_dir(backups).unwrap().map(|entry| entry.unwrap().path());
    let backup = backup.into_iter().find(|path| path.extension().is_some_and(|it| it == "db")).unwrap();
    done(&workspace, &["restore", backup.to_str().unwrap(), "--force"]);
    let events = recorded(&workspace);
    assert_eq!(events["database_restored"]["backup"], backup.to_str().unwrap());
    assert!(!events.contains_key("recipient_erased"), "the backup was made before");
}

#[test]
fn a_ca_without_a_gateway_needs_no_audit_log_and_one_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let pki = folder.path().join("pki");
    let config = folder.path().join("otpost.toml");
    let place = ["--dir", pki.to_str().unwrap(), "--config", config.to_str().unwrap()];
    let alone = run(&[&["ca", "init", "--env", "dev"], &place[..]].concat());
    assert_eq!((alone.code, alone.err.as_str()), (0, ""), "{}", alone.out);

    let workspace = Workspace::new();
    std::fs::remove_file(workspace.path("keys/seal.key")).unwrap();
    let said = workspace.run(&["ca", "crl", "--env", "dev"]);
    assert_eq!(said.code, 0, "the list is signed: {}", said.err);
    assert!(said.err.contains("note: this is not in the audit log as crl_signed: "), "{}", said.err);
}

#[test]
fn an_unknown_kind_of_event_is_refused_with_the_known_ones() {
    let workspace = Workspace::new();
    let said = workspace.run(&["audit", "list", "--kind", "drained"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("provider_drained") && said.err.contains("delivery_resent"), "{}", said.err);
}
