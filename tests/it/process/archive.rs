//! Archives of the audit log, made by the real binary: valid to two verifiers, and whole whenever the process is killed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use otpost::audit::bundle;
use otpost::domain::audit_event::{AuditEvent, AuditKind};
use otpost::domain::clock::{Clock, SystemClock};
use otpost::sim::processor::OtpSample;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

use super::audit::VERIFIER;
use super::overload::{Code, Sender, percentile};
use super::probe::chosen;
use super::{OTPOST, Workspace};
use crate::support::python;

/// Everything that is signed, however young.
const NOW: [&str; 4] = ["archive", "--older-than", "0s", "--before-retention"];

/// How many events are archived beside codes; another number by command:
/// `OTPOST_TEST_ARCHIVE_EVENTS=100000 cargo test --test it an_archive_of_the_audit_log -- --nocapture`
const EVENTS: u32 = 12_000;
const EVENTS_BY_COMMAND: &str = "OTPOST_TEST_ARCHIVE_EVENTS";

/// Fifty codes a second.
const CODE_EVERY: Duration = Duration::from_millis(20);

/// Below it latencies of a machine that does other things too say nothing.
const LATENCY_MIN: Duration = Duration::from_millis(50);
const FACTOR: u32 = 3;

impl Workspace {
    async fn database(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.path("otpost.db")).connect().await.unwrap()
    }

    async fn indexes(&self) -> BTreeSet<u64> {
        let text = "SELECT seq - 1 FROM audit_event";
        let found: Vec<i64> = sqlx::query_scalar(text).fetch_all(&mut self.database().await).await.unwrap();
        found.into_iter().map(|index| u64::try_from(index).unwrap()).collect()
    }

    fn archived(&self, name: &str) -> PathBuf {
        self.path("audit-archive").join(name)
    }

    fn second_verifier(&self, folder: &Path, earlier: &[PathBuf]) -> Value {
        let asked = json!({ "dir": folder, "key": self.verifier_key(), "earlier": earlier });
        serde_json::from_str(&python::run(VERIFIER, &asked)).unwrap()
    }

    /// More events than a gateway would write in a test, all signed.
    async fn signed_events(&self, events: u64) {
        let store = self.store().await;
        let event = |number| AuditEvent::gateway(AuditKind::Reloaded, SystemClock.now()).with("number", number);
        store.audit_events().record(&(0..events).map(event).collect::<Vec<_>>()).await.unwrap();
        store.close().await.unwrap();
        // On a busy machine a stop may not have the time to sign all of them.
        while self.audit_json(&["status", "--json"])["waiting"] != 0 {
            self.accept(0).await;
        }
    }

    fn archiving(&self) -> Child {
        let mut command = Command::new(OTPOST);
        command.arg("audit").args(NOW).arg("--config").arg(self.path("otpost.toml"));
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archived_events_are_valid_to_two_verifiers_and_the_log_goes_on() {
    let workspace = Workspace::new("").await;
    workspace.accept(300).await;
    let before = workspace.audit_json(&["status", "--json"])["signed"].as_u64().unwrap();
    let delivery: String = sqlx::query_scalar("SELECT lower(hex(id)) FROM delivery ORDER BY id LIMIT 1")
        .fetch_one(&mut workspace.database().await)
        .await
        .unwrap();

    let dry = workspace.audit_json(&[&NOW[..], &["--dry-run", "--json"]].concat());
    assert_eq!((&dry["first"], &dry["events"]), (&json!(0), &json!(512)), "{dry}");
    assert_eq!(workspace.indexes().await.len() as u64, before, "a dry run changes nothing");

    let done = workspace.audit_json(&[&NOW[..], &["--json"]].concat());
    let (archived, signed) = (&done["archives"][0], done["archives"][0]["size"].as_u64().unwrap());
    assert_eq!((&done["removed"], &archived["events"]), (&json!(512), &json!(512)), "{done}");
    assert!((512..768).contains(&signed), "the first checkpoint that covers all of them: {done}");
    let first = workspace.archived("audit-000000000000");
    let (at, key) = (first.to_str().unwrap(), workspace.verifier_key());
    let verified = workspace.audit_json(&["verify", at, "--key", &key, "--json"]);
    assert_eq!(verified["root"], archived["root"]);
    assert_eq!(workspace.second_verifier(&first, &[])["size"], json!(signed));
    assert_eq!(workspace.indexes().await, (512..=before).collect(), "the archive itself is an event");
    let listed = workspace.audit_json(&["list", "--json", "--kind", "audit_archived"]);
    let event = &listed["events"][0];
    assert_eq!((&event["detail"]["bundle"], &event["detail"]["events"]), (&json!("audit-000000000000"), &json!(512)));
    assert!(event["actor"].as_str().unwrap().starts_with("operator:"), "{event}");

    let config = workspace.path("otpost.toml");
    let shown = super::run(Command::new(OTPOST).args(["delivery", "show", &delivery, "--config"]).arg(&config));
    assert!(shown.contains("archived") && shown.contains("are in audit-000000000000"), "{shown}");
    let shown =
        super::run(Command::new(OTPOST).args(["delivery", "show", &delivery, "--json", "--config"]).arg(&config));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["archives"][0]["bundle"], "audit-000000000000", "{shown}");

    // The notary goes on, and a part that begins at the boundary proves itself, alone and with the archive.
    let log = workspace.accept(150).await;
    assert!(!log.contains("not signed any more"), "{log}");
    let said = workspace.audit(&["export", workspace.path("rest").to_str().unwrap(), "--from", "1d"]);
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success() && text.contains("are archived; they are in audit-000000000000"), "{text}");
    let rest = workspace.path("rest");
    let verified = workspace.audit_json(&["verify", rest.to_str().unwrap(), "--key", &key, "--json"]);
    assert_eq!(verified["first"], 512);
    let whole = workspace.second_verifier(&rest, std::slice::from_ref(&first));
    assert_eq!(whole["size"], verified["size"]);
    assert_eq!((&whole["kinds"]["accepted"], &whole["kinds"]["audit_archived"]), (&json!(450), &json!(1)));

    // The published checkpoint of the archive still proves that what follows was not written anew.
    let checkpoint = first.join("checkpoint");
    let continued = workspace.audit(&[
        "verify",
        rest.to_str().unwrap(),
        "--key",
        &key,
        "--checkpoint",
        checkpoint.to_str().unwrap(),
    ]);
    assert!(continued.status.success(), "{}", String::from_utf8_lossy(&continued.stderr));

    let again = workspace.audit_json(&[&NOW[..], &["--json"]].concat());
    assert_eq!(again["archives"][0]["bundle"], "audit-000000000512", "{again}");
    let archived = workspace.accept(1).await;
    assert!(!archived.contains("not signed any more"), "{archived}");
    let young: String = sqlx::query_scalar("SELECT lower(hex(id)) FROM delivery ORDER BY id DESC LIMIT 1")
        .fetch_one(&mut workspace.database().await)
        .await
        .unwrap();
    let shown = super::run(Command::new(OTPOST).args(["delivery", "show", &young, "--config"]).arg(&config));
    assert!(!shown.contains("archived"), "{shown}");
    let backups = workspace.path("backups");
    super::run(Command::new(OTPOST).arg("backup").arg(backups).arg("--config").arg(&config));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_is_not_allowed_changes_nothing_and_says_why() {
    let workspace = Workspace::new("").await;
    workspace.accept(200).await;
    let before = workspace.indexes().await;
    let refused = |args: &[&str], code: i32, expected: &str| {
        let done = workspace.audit(args);
        let text = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.code() == Some(code) && text.contains(expected), "{args:?}: {text}");
    };

    refused(&["archive", "--older-than", "30d"], 2, "deliveries are kept for 396 days");
    refused(&["archive", "--older-than", "soon"], 2, "soon");
    let nothing = workspace.audit(&["archive"]);
    let text = String::from_utf8_lossy(&nothing.stdout).into_owned();
    assert!(nothing.status.success() && text.contains("there are no events before"), "{text}");

    // An event that one changed does not leave the database.
    let mut database = workspace.database().await;
    sqlx::raw_sql("DROP TRIGGER audit_event_is_not_changed; UPDATE audit_event SET kind = 'confirmed' WHERE seq = 8;")
        .execute(&mut database)
        .await
        .unwrap();
    refused(&NOW, 1, "event 7 is not the one that was logged");
    assert_eq!(workspace.indexes().await, before);
    refused(&NOW, 1, "move it away, and run this again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_is_killed_loses_nothing_and_the_next_one_continues() {
    let workspace = Workspace::new("").await;
    workspace.signed_events(12_000).await;
    let all = workspace.indexes().await;
    let bundle = workspace.archived("audit-000000000000");
    let partial = || {
        let entries = fs::read_dir(workspace.path("audit-archive")).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().contains(".partial-"))
    };

    // While the bundle is written.
    let mut child = workspace.archiving();
    while !partial() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    assert!(was_killed(&mut child) && !bundle.exists());
    assert_eq!(workspace.indexes().await, all);

    // While it is verified.
    let mut child = workspace.archiving();
    while !bundle.exists() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    assert!(was_killed(&mut child) && !partial(), "what the first left is cleared away");
    assert_eq!(workspace.indexes().await, all);

    // While events are removed.
    let mut child = workspace.archiving();
    let mut database = workspace.database().await;
    let mut oldest = async || -> i64 {
        sqlx::query_scalar("SELECT min(seq) FROM audit_event").fetch_one(&mut database).await.unwrap()
    };
    while oldest().await == 1 && child.try_wait().unwrap().is_none() {}
    assert!(was_killed(&mut child));
    let left = workspace.indexes().await;
    assert!(left.contains(&11_000) && !left.contains(&0), "{} events are left", left.len());
    let verified = bundle::verify(&bundle, None, &[], |_, _| ()).unwrap();
    let archived = verified.first..verified.first + verified.events;
    assert!(all.iter().all(|index| left.contains(index) || archived.contains(index)), "an event is lost");

    // Without its bundle nothing more is removed.
    let away = workspace.path("away");
    fs::rename(&bundle, &away).unwrap();
    let refused = workspace.audit(&NOW);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(2) && text.contains("missing, and not all of its events have left"),
        "{text}"
    );
    assert_eq!(workspace.indexes().await, left);
    fs::rename(&away, &bundle).unwrap();

    assert!(workspace.audit(&NOW).status.success());
    let left = workspace.indexes().await;
    assert_eq!(left.first(), Some(&(verified.size / 256 * 256)));
    let listed = workspace.audit_json(&["list", "--json", "--kind", "audit_archived"]);
    assert_eq!(listed["events"].as_array().unwrap().len(), 1, "it was recorded once");
    let log = workspace.accept(1).await;
    assert!(!log.contains("not signed any more"), "{log}");
    let rest = workspace.export("rest");
    workspace.second_verifier(&rest, &[bundle]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_are_accepted_and_signed_while_events_are_archived() {
    let workspace = Workspace::new("").await;
    workspace.signed_events(12_000).await;
    let gateway = workspace.serve();
    let mut processor = gateway.processor(&workspace.identity());
    let mut child = workspace.archiving();
    let mut accepted = 0;
    while child.try_wait().unwrap().is_none() {
        assert_eq!(processor.send(&OtpSample::default().sample()).await.unwrap().status, 204);
        accepted += 1;
    }
    assert!(child.wait().unwrap().success() && accepted > 10, "{accepted} codes");
    assert!(!gateway.log().contains("not signed any more"), "{}", gateway.log());
    drop(gateway);
    workspace.accept(0).await;
    let rest = workspace.export("rest");
    let whole = workspace.second_verifier(&rest, &[workspace.archived("audit-000000000000")]);
    assert_eq!(whole["kinds"]["accepted"], json!(accepted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_of_the_audit_log_delays_no_code() {
    let (with, without) = (Workspace::new("").await, Workspace::new("").await);
    let events = chosen(EVENTS_BY_COMMAND, EVENTS).into();
    for workspace in [&with, &without] {
        workspace.signed_events(events).await;
    }
    let (gateway, other) = (with.serve(), without.serve());
    let codes = Sender::of(&with, &gateway).codes_every(CODE_EVERY);
    let others = Sender::of(&without, &other).codes_every(CODE_EVERY);
    tokio::time::sleep(Duration::from_secs(2)).await;

    let (began, mut child) = (Instant::now(), with.archiving());
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    let took = began.elapsed();
    let (codes, others) = (codes.stop(), others.stop());

    let during = |codes: &[Code], part| percentile(codes, part, |due| due >= began && due < began + took);
    let (slow, usual) = (during(&codes, 99), during(&others, 99));
    let (middle, usual_middle) = (during(&codes, 50), during(&others, 50));
    println!(
        "{events} events in {took:?}; codes beside it: p50 {middle:?}, p99 {slow:?}; without: {usual_middle:?}, {usual:?}"
    );
    assert!(ended.success() && codes.iter().all(|code| code.status == 204));
    assert!(slow <= usual.max(LATENCY_MIN) * FACTOR, "{slow:?} beside the archive, {usual:?} without");
}

/// Kills the process; `false` when it had ended before.
fn was_killed(child: &mut Child) -> bool {
    child.kill().unwrap();
    child.wait().unwrap().signal() == Some(9)
}
