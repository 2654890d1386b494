//! The dispute dossier of deliveries that a real gateway made: whole, honest, accessible, and proven to other programs.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use openssl::x509::X509;
use otpost::store::reports::DeliveryFilter;
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::strace::is_root;
use super::{OTPOST, Workspace, run};
use crate::support::{go_tiles, python};

const READER: &str = include_str!("../support/dossier.py");

/// What must not be in a dossier: the number of the phone, its end without a mask, and the customer's number.
const PERSONAL: [&str; 3] = ["48600100200", "600100200", "1337"];

/// What of [`PERSONAL`] is in the text. Four digits also occur within a long number, such as a certificate's, and mean nothing there.
fn personal_in(text: &str) -> Vec<&'static str> {
    let words: Vec<_> = text.split(|c: char| !c.is_alphanumeric()).collect();
    PERSONAL.into_iter().filter(|it| if it.len() > 4 { text.contains(it) } else { words.contains(it) }).collect()
}

impl Workspace {
    fn dispute(&self, args: &[&str], out: &str) -> (Output, PathBuf) {
        let file = self.path(out);
        let mut command = Command::new(OTPOST);
        command.args(["report", "dispute"]).args(args).arg("--out").arg(&file);
        (command.arg("--config").arg(self.path("otpost.toml")).output().unwrap(), file)
    }

    fn made(&self, args: &[&str], out: &str) -> PathBuf {
        let (done, file) = self.dispute(args, out);
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        file
    }

    /// The newest delivery.
    async fn newest(&self) -> String {
        let store = self.store().await;
        let lines = store.reports().deliveries(&DeliveryFilter::newest(1)).await.unwrap();
        store.close().await.unwrap();
        lines.lines[0].id.to_string()
    }
}

fn text_of(pdf: &PathBuf) -> String {
    let done = Command::new("pdftotext").arg("-layout").arg(pdf).arg("-").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dossier_is_an_accessible_document_whose_proofs_hold_for_two_verifiers() {
    let workspace = Workspace::new("").await;
    workspace.accept(3).await;
    let (id, key) = (workspace.newest().await, workspace.verifier_key());

    let pdf = workspace.made(&["--notification", &id, "--locale", "pl-PL"], "one.pdf");

    let seen: Value = serde_json::from_str(&python::run(READER, &json!({ "file": pdf }))).unwrap();
    assert_eq!(
        (&seen["marked"], &seen["language"], &seen["part"], &seen["archive"]),
        (&json!(true), &json!("pl"), &json!("1"), &json!("3A")),
        "{seen}"
    );
    assert_eq!((&seen["title_shown"], &seen["outline"]), (&json!(true), &json!(true)));
    assert_eq!(seen["fonts"], json!(["NotoSans-Bold", "NotoSans-Regular"]));
    for element in ["/H1", "/H2", "/H3", "/P", "/Table", "/TH", "/TD"] {
        assert!(seen["elements"][element].as_u64() > Some(0), "{element}: {seen}");
    }
    let text = text_of(&pdf);
    for expected in [&id, "Dokumentacja sporu", "••••••", "{{amount}}", "processor-dev", "system clock", &key[..20]]
    {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    assert_eq!(personal_in(&text), [""; 0], "{text}");
    assert!(!text.contains("merchant test"), "{text}");

    let files = seen["files"].as_object().unwrap();
    let mut kinds = Vec::new();
    for (name, proof) in files {
        let proof = proof.as_str().unwrap();
        let event: Value = serde_json::from_str(&go_tiles::verify_proof(proof, &key).unwrap()).unwrap();
        kinds.push(event["kind"].as_str().unwrap().to_owned());
        let file = workspace.path(name);
        fs::write(&file, proof).unwrap();
        let verified = workspace.audit_json(&["verify", file.to_str().unwrap(), "--key", &key, "--json"]);
        assert_eq!((&verified["valid"], &verified["event"]), (&json!(true), &event));
        fs::write(&file, proof.replacen("\nindex ", "\nindex 1", 1)).unwrap();
        assert_eq!(workspace.audit(&["verify", file.to_str().unwrap(), "--key", &key]).status.code(), Some(1));
    }
    assert_eq!(kinds, ["accepted", "sent"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_deliveries_are_one_document_for_people_and_for_machines_and_each_look_is_recorded() {
    let workspace = Workspace::new("").await;
    workspace.accept(2).await;
    let all = ["--recipient", "storage_customer:1337", "--from", "1h"];

    let file = workspace.made(&all, "all.pdf");
    let seen: Value = serde_json::from_str(&python::run(READER, &json!({ "file": file }))).unwrap();
    let links = seen["links"].as_array().unwrap();
    assert!(links.len() == 3 && seen["elements"]["/Link"] == 3, "two deliveries and the proof: {seen}");
    assert!(links[0][0].as_str().unwrap().starts_with("Delivery 1 of 2"), "{links:?}");
    assert!(links.iter().is_sorted_by_key(|link| link[1].as_u64()) && links[0][1] == 2, "{links:?}");
    let pdf = text_of(&file);
    let page =
        fs::read_to_string(workspace.made(&[&all[..], &["--format", "html", "--locale", "ar"]].concat(), "all.html"));
    let data = fs::read(workspace.made(&[&all[..], &["--format", "json"]].concat(), "all.json")).unwrap();

    assert!(pdf.contains("Contents") && pdf.contains("Delivery 2 of 2"), "{pdf}");
    let page = page.unwrap();
    assert!(page.contains("dir=\"rtl\"") && page.contains("ملف النزاع"), "{page}");
    let data: Value = serde_json::from_slice(&data).unwrap();
    assert_eq!(data["format"], "otpost-dossier-v1");
    let deliveries = data["deliveries"].as_array().unwrap();
    let own = X509::from_pem(&fs::read(workspace.path("pki/processor.pem")).unwrap()).unwrap();
    let subject = json!(otpost::pki::distinguished_name(own.subject_name()));
    let serial = json!(own.serial_number().to_bn().unwrap().to_hex_str().unwrap().to_string());
    assert_eq!(deliveries.len(), 2);
    for delivery in deliveries {
        assert_eq!((&delivery["kind"], &delivery["state"]), (&json!("otp"), &json!("sent")), "{delivery}");
        assert_eq!(delivery["attempts"][0]["contact"], "+48*****0200");
        let certificate = &delivery["certificate"];
        assert_eq!((&certificate["subject"], &certificate["serial"]), (&subject, &serial), "{certificate}");
        let events = delivery["events"].as_array().unwrap();
        let made: Vec<_> = events.iter().filter(|event| event["kind"] == "dossier_made").collect();
        assert_eq!(made.len(), 2, "the two documents before this one: {delivery}");
        assert!(made.iter().all(|event| event["actor"].as_str().unwrap().starts_with("operator:")));
        assert!(made.iter().all(|event| event["proof"].is_null()), "nobody has signed it yet");
        assert!(events[0]["proof"].is_string() && delivery["clock"]["source"] == "system clock", "{delivery}");
    }
    let whole = data.to_string();
    for text in [&pdf, &page, &whole] {
        assert_eq!(personal_in(text), [""; 0], "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_dossier_is_made_of_an_event_that_was_changed() {
    let workspace = Workspace::new("").await;
    workspace.accept(1).await;
    let id = workspace.newest().await;
    let mut database = SqliteConnectOptions::new().filename(workspace.path("otpost.db")).connect().await.unwrap();
    for change in [
        "DROP TRIGGER audit_event_is_not_changed",
        "UPDATE audit_event SET actor = 'client:other' WHERE kind = 'accepted'",
    ] {
        sqlx::query(change).execute(&mut database).await.unwrap();
    }
    sqlx::Connection::close(database).await.unwrap();

    let (refused, file) = workspace.dispute(&["--notification", &id], "changed.pdf");

    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("in the database is not the one that was logged"), "{said}");
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_leaves_no_half_of_a_dossier() {
    if !is_root("only root may mount a file system") {
        return;
    }
    let workspace = Workspace::new("").await;
    workspace.accept(1).await;
    let id = workspace.newest().await;
    let folder = workspace.path("disk");
    fs::create_dir(&folder).unwrap();
    run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=16k", "otpost-test"]).arg(&folder));

    let (refused, _) = workspace.dispute(&["--notification", &id], "disk/one.pdf");

    let left = fs::read_dir(&folder).unwrap().count();
    run(Command::new("umount").arg(&folder));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!((refused.status.code(), left), (Some(1), 0), "{said}");
    assert!(said.contains("one.pdf was not written: No space left on device"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dossier_names_who_exported_the_data_of_its_recipient_and_the_certificate_is_in_the_log_once() {
    let workspace = Workspace::new("").await;
    workspace.accept(2).await;
    workspace.accept(1).await;
    let id = workspace.newest().await;
    let export = ["recipient", "export", "storage_customer", "1337"];
    run(Command::new(OTPOST)
        .args(export)
        .arg("--out")
        .arg(workspace.path("data.json"))
        .arg("--config")
        .arg(workspace.path("otpost.toml")));

    let page = fs::read_to_string(workspace.made(&["--notification", &id, "--format", "html"], "one.html")).unwrap();
    let status = workspace.audit_json(&["list", "--kind", "client_certificate_first_used", "--json"]);

    let looks = page.split_once("Who looked at it").unwrap().1;
    assert!(looks.contains("recipient exported") && looks.contains("operator: "), "{page}");
    let kinds: Vec<_> = status["events"].as_array().unwrap().iter().map(|event| event["kind"].clone()).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "client_certificate_first_used").count(), 1, "{kinds:?}");
}
