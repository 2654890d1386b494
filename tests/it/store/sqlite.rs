//! SQLite as the store's database: the conformance suite, and what only its file shows.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use otpost::domain::delivery::EndReason;
use otpost::domain::recipient::RecipientId;
use otpost::store::audit_tree::{StoredCheckpoint, StoredTile};
use otpost::store::{self, Error, OpenMode, Store, seal};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

use super::{Fixture, Pending, keeps_every_promise};
use crate::support::clock::ManualClock;
use crate::support::recipient;

#[tokio::test]
async fn sqlite_keeps_every_promise() {
    keeps_every_promise(open).await;
}

#[tokio::test]
async fn ended_deliveries_have_no_sealed_content() {
    let it = Fixture::new(open).await;
    it.store.settle(it.held().await, it.taken(1)).await.unwrap();
    it.store.give_up(it.held().await, None, EndReason::NoContact).await.unwrap();
    it.store.leave_unconfirmed(it.held().await, None).await.unwrap();
    let open = it.held().await;

    let mut database = raw(&it).await;
    let sealed: Vec<(String, bool)> = sqlx::query_as("SELECT state, sealed IS NOT NULL FROM delivery ORDER BY state")
        .fetch_all(&mut database)
        .await
        .unwrap();

    let of = |state: &str, sealed| (state.to_owned(), sealed);
    assert_eq!(sealed, [of("open", true), of("sent", false), of("unconfirmed", false), of("undeliverable", false)]);
    drop(open);
}

#[tokio::test]
async fn audit_events_cannot_be_changed_or_removed() {
    let it = Fixture::new(open).await;
    it.store.settle(it.held().await, it.taken(1)).await.unwrap();
    let mut database = raw(&it).await;

    for text in [
        "UPDATE audit_event SET kind = 'accepted'",
        "UPDATE audit_event SET at = at + 1 WHERE seq = 1",
        "DELETE FROM audit_event",
        "DELETE FROM audit_event WHERE seq = 2",
    ] {
        let refused = sqlx::query(text).execute(&mut database).await.unwrap_err().to_string();
        assert!(refused.contains("audit events are not"), "{text}: {refused}");
    }

    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_event").fetch_one(&mut database).await.unwrap();
    assert_eq!(count, 2);
}

#[tokio::test]
async fn what_proves_the_audit_log_cannot_be_removed_or_declared_archived() {
    let it = Fixture::new(open).await;
    it.store.settle(it.held().await, it.taken(1)).await.unwrap();
    let (level, number, hashes) = (0, 0, vec![0; 32]);
    let tile = StoredTile { level, number, hashes };
    let (clock_source, note) = (String::new(), String::new());
    let checkpoint = StoredCheckpoint { size: 2, at: it.now(), clock_source, clock_offset_us: 0, note };
    assert!(it.store.audit_tree().grow(0, &[tile], &checkpoint).await.unwrap());
    let mut database = raw(&it).await;

    for text in [
        "DELETE FROM audit_checkpoint",
        "DELETE FROM audit_tile",
        "INSERT INTO audit_archive VALUES (256, 0, 256, x'00', 'none', 0, 0, 0, 1)",
        "INSERT INTO audit_archive VALUES (0, 0, 2, x'00', 'none', 0, 0, 0, 1)",
    ] {
        let refused = sqlx::query(text).execute(&mut database).await.unwrap_err().to_string();
        assert!(refused.contains("are not removed") || refused.contains("an archive begins"), "{text}: {refused}");
    }
}

#[tokio::test]
async fn every_change_of_a_delivery_has_an_audit_event() {
    let it = Fixture::new(open).await;
    for number in 0..20 {
        let held = it.held().await;
        let held = it.store.record_attempt(held, it.deferred(1)).await.unwrap();
        if number % 2 == 0 {
            it.store.settle(held, it.taken(2)).await.unwrap();
        } else {
            it.store.give_up(held, Some(it.deferred(2)), EndReason::AllRejected).await.unwrap();
        }
    }
    it.store.recipients().import(&[recipient("one").0], it.now()).await.unwrap();

    let mut database = raw(&it).await;
    let (events, last): (i64, i64) =
        sqlx::query_as("SELECT count(*), max(seq) FROM audit_event").fetch_one(&mut database).await.unwrap();

    // Accepted, attempted, ended; and one import. Numbers without a gap.
    assert_eq!((events, last), (61, 61));
}

#[tokio::test]
async fn no_file_holds_codes_contacts_or_identifiers_in_clear() {
    let it = Fixture::new(open).await;
    let one = recipient("reference-of-one").customer("998877665544").phone("+48600100200");
    let one = one.app("push-token-in-clear").mailbox("reader@example.org");
    it.store.recipients().import(&[one.0], it.now()).await.unwrap();
    it.held().await;
    it.store.settle(it.held().await, it.taken(1)).await.unwrap();

    let secrets =
        ["48151623", "merchant test", "998877665544", "+48600100200", "push-token", "reader@example", "reference-of"];
    let mut read = 0;
    for entry in std::fs::read_dir(it.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            read += bytes.len();
            for secret in secrets {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{secret} is in {}", path.display());
            }
        }
    }

    assert!(read > 4096);
}

#[tokio::test]
async fn a_second_gateway_cannot_open_the_file_but_a_command_can() {
    let it = Fixture::new(open).await;

    let second = try_open(it.folder.path(), Arc::clone(&it.clock), 0, OpenMode::Gateway).await;
    let command = try_open(it.folder.path(), Arc::clone(&it.clock), 0, OpenMode::Cli).await;

    assert!(matches!(second, Err(Error::AlreadyRunning { .. })));
    command.unwrap().recipients().import(&[recipient("one").0], it.now()).await.unwrap();
}

pub(super) async fn raw(it: &Fixture) -> SqliteConnection {
    SqliteConnectOptions::new().filename(it.folder.path().join("otpost.db")).connect().await.unwrap()
}

#[tokio::test]
async fn a_closed_store_leaves_no_write_ahead_log_although_a_task_still_holds_it() {
    let it = Fixture::new(open).await;
    it.held().await;
    let files = || ["otpost.db-wal", "otpost.db-shm"].map(|name| it.folder.path().join(name).exists());
    assert_eq!(files(), [true, true]);

    it.store.close().await.unwrap();

    assert_eq!(files(), [false, false]);
    assert!(matches!(it.store.recipients().import(&[], it.now()).await, Err(Error::Stopped)));
    let command = try_open(it.folder.path(), it.clock.clone(), 0, OpenMode::Cli).await.unwrap();
    command.recipients().import(&[recipient("one").customer("1").0], it.now()).await.unwrap();
    command.close().await.unwrap();
    assert_eq!(files(), [false, false]);
}

pub(super) fn open(folder: &Path, clock: Arc<ManualClock>, min_free: u64) -> Pending<Store> {
    let folder = folder.to_owned();
    Box::pin(async move { try_open(&folder, clock, min_free, OpenMode::Gateway).await.unwrap() })
}

pub(super) async fn try_open(
    folder: &Path,
    clock: Arc<ManualClock>,
    min_free: u64,
    mode: OpenMode,
) -> Result<Store, Error> {
    let url = format!("sqlite:{}", folder.join("otpost.db").display());
    let sealing = seal::Settings { key_file: folder.join("seal.key") };
    Store::open(&store::Settings { url, min_free, ..store::Settings::default() }, &sealing, mode, clock).await
}

#[tokio::test]
async fn a_purge_keeps_every_audit_event_and_scans_no_table() {
    let it = Fixture::new(open).await;
    it.store.settle(it.held().await, it.taken(1)).await.unwrap();
    it.clock.move_on(Duration::from_hours(24 * 400));

    assert_eq!(it.store.retention().purge(it.now().before(Duration::from_hours(24))).await.unwrap(), 1);

    let mut database = raw(&it).await;
    let rows = "SELECT (SELECT count(*) FROM audit_event), (SELECT count(*) FROM notification),
        (SELECT count(*) FROM delivery), (SELECT count(*) FROM attempt)";
    let left: (i64, i64, i64, i64) = sqlx::query_as(rows).fetch_one(&mut database).await.unwrap();
    assert_eq!(left, (2, 0, 0, 0));
    let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(
        "EXPLAIN QUERY PLAN SELECT n.id FROM notification AS n WHERE n.id < x'00' AND NOT EXISTS
           (SELECT 1 FROM delivery AS d WHERE d.notification_id = n.id AND d.state = 'open') ORDER BY n.id LIMIT 100",
    )
    .fetch_all(&mut database)
    .await
    .unwrap();
    assert!(plan.iter().all(|(.., step)| !step.starts_with("SCAN") && !step.contains("TEMP B-TREE")), "{plan:?}");
}

#[tokio::test]
async fn rejections_are_read_through_an_index() {
    let it = Fixture::new(open).await;
    it.store.reports().rejections(10).await.unwrap();

    let mut database = raw(&it).await;
    let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(
        "EXPLAIN QUERY PLAN SELECT seq, at, actor, kind, detail FROM audit_event
           WHERE kind = 'notification_rejected' ORDER BY at DESC, seq DESC LIMIT 10",
    )
    .fetch_all(&mut database)
    .await
    .unwrap();

    assert!(plan.iter().all(|(.., step)| step.contains("audit_event_notification_rejected")), "{plan:?}");
}

#[tokio::test]
async fn erased_contacts_leave_no_ciphertext_in_the_database_file() {
    let it = Fixture::new(open).await;
    let people: Vec<_> =
        (0..50).map(|number| recipient(&format!("reference-{number}")).phone("+48600100200").0).collect();
    it.store.recipients().import(&people, it.now()).await.unwrap();
    let mut database = raw(&it).await;
    let sealed: Vec<Vec<u8>> = sqlx::query_scalar("SELECT sealed FROM contact").fetch_all(&mut database).await.unwrap();
    let ids: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT id FROM recipient").fetch_all(&mut database).await.unwrap();
    let in_file = || {
        let bytes = std::fs::read(it.folder.path().join("otpost.db")).unwrap();
        sealed.iter().filter(|sealed| bytes.windows(sealed.len()).any(|window| window == **sealed)).count()
    };
    checkpoint(&mut database).await;
    assert_eq!((sealed.len(), in_file()), (50, 50));

    for id in ids {
        assert!(it.store.recipients().erase(RecipientId(id), it.now()).await.unwrap());
    }
    checkpoint(&mut database).await;

    assert_eq!(in_file(), 0);
}

async fn checkpoint(database: &mut SqliteConnection) {
    while sqlx::query_as::<_, (i64, i64, i64)>("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(&mut *database)
        .await
        .unwrap()
        != (0, 0, 0)
    {}
}
