//! SQLite as the store's database: all promises, and what can only be seen in its file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use otpost::domain::delivery::EndReason;
use otpost::store::{self, Error, Role, Store, seal};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

use super::{Pending, Room, keeps_every_promise};
use crate::support::clock::ManualClock;
use crate::support::recipient;

#[tokio::test]
async fn sqlite_keeps_every_promise() {
    keeps_every_promise(open).await;
}

#[tokio::test]
async fn the_sealed_content_is_gone_from_every_delivery_that_has_ended() {
    let room = Room::new(open).await;
    room.store.settle(room.held().await, room.taken(1)).await.unwrap();
    room.store.give_up(room.held().await, None, EndReason::NoContact).await.unwrap();
    room.store.leave_unconfirmed(room.held().await, None).await.unwrap();
    let open = room.held().await;

    let mut database = raw(&room).await;
    let sealed: Vec<(String, bool)> = sqlx::query_as("SELECT state, sealed IS NOT NULL FROM delivery ORDER BY state")
        .fetch_all(&mut database)
        .await
        .unwrap();

    let of = |state: &str, sealed| (state.to_owned(), sealed);
    assert_eq!(sealed, [of("open", true), of("sent", false), of("unconfirmed", false), of("undeliverable", false)]);
    drop(open);
}

#[tokio::test]
async fn audit_events_can_be_neither_changed_nor_removed() {
    let room = Room::new(open).await;
    room.store.settle(room.held().await, room.taken(1)).await.unwrap();
    let mut database = raw(&room).await;

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
async fn every_change_of_every_delivery_has_its_event() {
    let room = Room::new(open).await;
    for number in 0..20 {
        let held = room.held().await;
        let held = room.store.go_on(held, room.deferred(1)).await.unwrap();
        if number % 2 == 0 {
            room.store.settle(held, room.taken(2)).await.unwrap();
        } else {
            room.store.give_up(held, Some(room.deferred(2)), EndReason::AllRefused).await.unwrap();
        }
    }
    room.store.directory().import(&[recipient("one").0], room.now()).await.unwrap();

    let mut database = raw(&room).await;
    let (events, last): (i64, i64) =
        sqlx::query_as("SELECT count(*), max(seq) FROM audit_event").fetch_one(&mut database).await.unwrap();

    // Accepted, attempted, ended; and one import. Numbers without a gap.
    assert_eq!((events, last), (61, 61));
}

#[tokio::test]
async fn neither_codes_nor_addresses_nor_numbers_lie_in_the_files_in_clear() {
    let room = Room::new(open).await;
    let somebody = recipient("reference-of-somebody").customer("998877665544").phone("+48600100200");
    let somebody = somebody.app("push-token-in-clear").mailbox("reader@example.org");
    room.store.directory().import(&[somebody.0], room.now()).await.unwrap();
    room.held().await;
    room.store.settle(room.held().await, room.taken(1)).await.unwrap();

    let secrets =
        ["48151623", "merchant test", "998877665544", "+48600100200", "push-token", "reader@example", "reference-of"];
    let mut read = 0;
    for entry in std::fs::read_dir(room.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            read += bytes.len();
            for secret in secrets {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{secret} lies in {}", path.display());
            }
        }
    }

    assert!(read > 4096);
}

#[tokio::test]
async fn a_second_gateway_on_the_same_file_is_refused_and_a_command_beside_it_is_not() {
    let room = Room::new(open).await;

    let second = try_open(room.folder.path(), Arc::clone(&room.clock), 0, Role::Gateway).await;
    let beside = try_open(room.folder.path(), Arc::clone(&room.clock), 0, Role::Cli).await;

    assert!(matches!(second, Err(Error::Lock { source: None, .. })));
    beside.unwrap().directory().import(&[recipient("one").0], room.now()).await.unwrap();
}

async fn raw(room: &Room) -> SqliteConnection {
    SqliteConnectOptions::new().filename(room.folder.path().join("otpost.db")).connect().await.unwrap()
}

fn open(folder: &Path, clock: Arc<ManualClock>, min_free: u64) -> Pending<Store> {
    let folder = folder.to_owned();
    Box::pin(async move { try_open(&folder, clock, min_free, Role::Gateway).await.unwrap() })
}

async fn try_open(folder: &Path, clock: Arc<ManualClock>, min_free: u64, role: Role) -> Result<Store, Error> {
    let url = format!("sqlite:{}", folder.join("otpost.db").display());
    let sealing = seal::Settings { key_file: folder.join("seal.key") };
    Store::open(&store::Settings { url, min_free }, &sealing, role, clock).await
}

#[tokio::test]
async fn a_purge_keeps_every_audit_event_and_reads_no_more_than_it_removes() {
    let room = Room::new(open).await;
    room.store.settle(room.held().await, room.taken(1)).await.unwrap();
    room.clock.move_on(Duration::from_hours(24 * 400));

    assert_eq!(room.store.purge(room.now().before(Duration::from_hours(24))).await.unwrap(), 1);

    let mut database = raw(&room).await;
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
