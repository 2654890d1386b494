//! PostgreSQL as the store's database: the conformance suite, and what only a server shows.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use otpost::domain::notification::Priority;
use otpost::store::nodes::Heartbeat;
use otpost::store::{self, Error, LEASE, OpenMode, Store, seal};
use sqlx::PgConnection;

use super::{Fixture, Pending, keeps_every_promise};
use crate::support::clock::ManualClock;
use crate::support::commit_proxy::CommitProxy;
use crate::support::postgres::Cluster;

/// The database that others are copied from: empty, and migrated.
const MIGRATED: &str = "migrated";

/// The server of this process.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

#[tokio::test]
async fn postgres_keeps_every_promise() {
    keeps_every_promise(open).await;
}

// A database for each folder.
pub(super) fn open(folder: &Path, clock: Arc<ManualClock>, min_free: u64) -> Pending<Store> {
    let folder = folder.to_owned();
    Box::pin(async move {
        migrate_once().await;
        cluster().create_database(&name_of(&folder), MIGRATED).await;
        try_open(&folder, &name_of(&folder), clock, min_free, OpenMode::Gateway).await.unwrap()
    })
}

async fn migrate_once() {
    static ONCE: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    ONCE.get_or_init(async || {
        cluster().create_database(MIGRATED, "template1").await;
        let folder = tempfile::tempdir().unwrap();
        seal::Sealer::create_key(&folder.path().join("seal.key")).unwrap();
        let store = try_open(folder.path(), MIGRATED, ManualClock::new(), 0, OpenMode::Gateway).await.unwrap();
        store.close().await.unwrap();
        // The next gateway has another key.
        let mut connection = cluster().connect(MIGRATED).await;
        sqlx::query("DELETE FROM seal_key").execute(&mut connection).await.unwrap();
        sqlx::Connection::close(connection).await.unwrap();
    })
    .await;
}

fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap().to_str().unwrap().to_lowercase()
}

async fn try_open(
    folder: &Path,
    database: &str,
    clock: Arc<ManualClock>,
    min_free: u64,
    mode: OpenMode,
) -> Result<Store, Error> {
    let url = cluster().url(database);
    let settings = store::Settings { url, folder: folder.to_owned(), min_free, ..store::Settings::default() };
    let sealing = seal::Settings { key_file: folder.join("seal.key") };
    Store::open(&settings, &sealing, mode, clock).await
}

pub(super) async fn raw(it: &Fixture) -> PgConnection {
    cluster().connect(&name_of(it.folder.path())).await
}

/// A second node on the database of `it`, with a folder of its own and the same keys.
async fn second_node(it: &Fixture, folder: &Path) -> Store {
    std::fs::copy(it.folder.path().join("seal.key"), folder.join("seal.key")).unwrap();
    std::os::unix::fs::symlink(it.folder.path().join("seal.epochs"), folder.join("seal.epochs")).unwrap();
    try_open(folder, &name_of(it.folder.path()), Arc::clone(&it.clock), 0, OpenMode::Gateway).await.unwrap()
}

#[tokio::test]
async fn a_node_that_starts_frees_no_lease_of_another_node_and_takes_over_what_a_dead_one_held() {
    let it = Fixture::new(open).await;
    let held = it.held().await;
    let folder = tempfile::tempdir().unwrap();
    let second = second_node(&it, folder.path()).await;

    assert_eq!(second.resume().await.unwrap(), 0);
    it.clock.move_on(LEASE / 2);
    assert!(second.claim(Priority::Otp, 10).await.unwrap().is_empty());
    it.store.renew(&[held.lease()]).await.unwrap();
    it.clock.move_on(LEASE / 2);
    assert!(second.claim(Priority::Otp, 10).await.unwrap().is_empty(), "its lease was renewed");

    it.clock.move_on(LEASE / 2);
    let taken = second.claim(Priority::Otp, 10).await.unwrap().remove(0);
    assert!(taken.in_doubt && taken.id == held.id && taken.content.is_some());
    assert!(matches!(it.store.settle(held, it.taken(1)).await, Err(Error::LeaseLost(_))), "the dead node comes back");
    second.settle(taken, it.taken(1)).await.unwrap();
    second.close().await.unwrap();
}

#[tokio::test]
async fn two_nodes_claim_each_delivery_once() {
    let it = Fixture::new(open).await;
    let folder = tempfile::tempdir().unwrap();
    let second = second_node(&it, folder.path()).await;
    for _ in 0..60 {
        it.store.accept(store::Acceptance { leased: false, ..it.code("11111111") }).await.unwrap();
    }

    let mut claimed = Vec::new();
    for _ in 0..6 {
        let (one, other) = tokio::join!(it.store.claim(Priority::Otp, 5), second.claim(Priority::Otp, 5));
        claimed.extend(one.unwrap().into_iter().chain(other.unwrap()).map(|claimed| claimed.id));
    }

    claimed.sort();
    claimed.dedup();
    assert_eq!(claimed.len(), 60);
    second.close().await.unwrap();
}

#[tokio::test]
async fn the_events_of_nodes_that_write_at_once_have_numbers_without_a_gap() {
    let it = Fixture::new(open).await;
    let folder = tempfile::tempdir().unwrap();
    let second = second_node(&it, folder.path()).await;

    for _ in 0..20 {
        let accepts = (0..8).map(|number| {
            let store = if number % 2 == 0 { &it.store } else { &second };
            store.accept(it.code("11111111"))
        });
        futures_util::future::try_join_all(accepts).await.unwrap();
    }

    let found = "SELECT count(*), max(seq) FROM audit_event";
    let (count, last): (i64, i64) = sqlx::query_as(found).fetch_one(&mut raw(&it).await).await.unwrap();
    assert_eq!((count, last), (160, 160));
    second.close().await.unwrap();
}

async fn through(it: &Fixture, proxy: &CommitProxy, folder: &Path) -> Store {
    std::fs::copy(it.folder.path().join("seal.key"), folder.join("seal.key")).unwrap();
    let url = Cluster::url_at(proxy.port(), &name_of(it.folder.path()));
    let settings = store::Settings { url, folder: folder.to_owned(), min_free: 0, ..store::Settings::default() };
    let sealing = seal::Settings { key_file: folder.join("seal.key") };
    Store::open(&settings, &sealing, OpenMode::Gateway, Arc::clone(&it.clock) as _).await.unwrap()
}

#[tokio::test]
async fn a_commit_that_was_done_although_its_answer_was_lost_is_accepted_once() {
    let it = Fixture::new(open).await;
    let (proxy, folder) = (CommitProxy::before(cluster().port()).await, tempfile::tempdir().unwrap());
    let store = through(&it, &proxy, folder.path()).await;

    proxy.lose_answer();
    let accepted = store.accept(it.code("11111111")).await.unwrap();

    assert!(proxy.has_struck() && matches!(accepted, store::Accepted::New(Some(_))));
    assert_eq!(it.count().await, 1);
    let store::Accepted::New(Some(claimed)) = accepted else { unreachable!() };
    let id = claimed.id.0;
    proxy.lose_answer();
    store.settle(*claimed, it.taken(1)).await.unwrap();
    assert!(proxy.has_struck());
    assert_eq!(it.events(id).await, ["accepted", "sent"]);
}

#[tokio::test]
async fn a_commit_that_the_server_never_heard_of_is_not_accepted() {
    let it = Fixture::new(open).await;
    let (proxy, folder) = (CommitProxy::before(cluster().port()).await, tempfile::tempdir().unwrap());
    let store = through(&it, &proxy, folder.path()).await;

    proxy.lose_commit();
    let refused = store.accept(it.code("11111111")).await;

    assert!(proxy.has_struck() && matches!(refused, Err(Error::NotCommitted)), "{refused:?}");
    assert_eq!(it.count().await, 0);
    assert!(store.not_ready_reason().is_none());
    store.accept(it.code("11111111")).await.unwrap();
    assert_eq!(it.count().await, 1);
}

#[tokio::test]
async fn a_settlement_whose_commit_is_lost_is_written_again() {
    let it = Fixture::new(open).await;
    let (proxy, folder) = (CommitProxy::before(cluster().port()).await, tempfile::tempdir().unwrap());
    let store = through(&it, &proxy, folder.path()).await;
    let store::Accepted::New(Some(claimed)) = store.accept(it.code("11111111")).await.unwrap() else { unreachable!() };
    let id = claimed.id.0;

    proxy.lose_commit();
    store.settle(*claimed, it.taken(1)).await.unwrap();

    assert!(proxy.has_struck());
    assert_eq!((it.state(id).await, it.events(id).await), ("sent".to_owned(), vec!["accepted".into(), "sent".into()]));
}

#[tokio::test]
async fn a_commit_that_is_swallowed_by_the_network_is_decided_once_the_server_has_ended_its_transaction() {
    let it = Fixture::new(open).await;
    let (proxy, folder) = (CommitProxy::before(cluster().port()).await, tempfile::tempdir().unwrap());
    let store = through(&it, &proxy, folder.path()).await;

    proxy.swallow_commit();
    let refused = store.accept(it.code("11111111")).await;

    assert!(proxy.has_struck() && matches!(refused, Err(Error::NotCommitted)), "{refused:?}");
    assert_eq!(it.count().await, 0);
}

#[tokio::test]
async fn a_store_goes_on_after_its_server_has_crashed_and_started_again() {
    let mut server = Cluster::with("");
    server.create_database("own", "template1").await;
    let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    seal::Sealer::create_key(&folder.path().join("seal.key")).unwrap();
    let settings = store::Settings {
        url: server.url("own"),
        folder: folder.path().to_owned(),
        min_free: 0,
        ..store::Settings::default()
    };
    let sealing = seal::Settings { key_file: folder.path().join("seal.key") };
    let store = Store::open(&settings, &sealing, OpenMode::Gateway, Arc::clone(&clock) as _).await.unwrap();
    let it = Fixture { folder, clock, open, store };
    let held = it.held().await;

    server.kill();
    let refused = it.store.accept(it.code("11111111")).await;
    assert!(matches!(refused, Err(Error::NotCommitted)), "{refused:?}");
    server.crash_and_restart();

    it.store.settle(held, it.taken(1)).await.unwrap();
    it.held().await;
    // A connection that was used right before the crash is found broken by its next user.
    while it.store.ping().await.is_err() {}
    assert_eq!(it.count().await, 2, "what was accepted before the crash is there, and nothing else");
}

#[tokio::test]
async fn a_server_that_forgets_what_it_committed_is_refused() {
    let server = Cluster::with("synchronous_commit = off\n");
    let folder = tempfile::tempdir().unwrap();
    seal::Sealer::create_key(&folder.path().join("seal.key")).unwrap();
    let settings =
        store::Settings { url: server.url("postgres"), folder: folder.path().to_owned(), ..store::Settings::default() };
    let sealing = seal::Settings { key_file: folder.path().join("seal.key") };

    let opened = Store::open(&settings, &sealing, OpenMode::Gateway, ManualClock::new()).await.map(drop);

    let error = opened.unwrap_err().to_string();
    assert_eq!(error, "the database has synchronous_commit = off, expected on");
}

#[tokio::test]
async fn a_standby_is_passed_over_and_a_database_of_a_newer_version_refused() {
    let it = Fixture::new(open).await;
    let standby = Cluster::with("default_transaction_read_only = on\n");
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(it.folder.path().join("seal.key"), folder.path().join("seal.key")).unwrap();
    let sealing = seal::Settings { key_file: folder.path().join("seal.key") };
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", standby.port(), cluster().port());
    let url = format!("postgres://otpost@{hosts}/{}?sslmode=disable", name_of(it.folder.path()));
    let settings = store::Settings { url, folder: folder.path().to_owned(), min_free: 0, ..store::Settings::default() };
    let opened = async || Store::open(&settings, &sealing, OpenMode::Gateway, Arc::clone(&it.clock) as _).await;

    let store = opened().await.unwrap();
    store.accept(it.code("11111111")).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(it.count().await, 1);

    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (9000, 'later', true, '', 0)";
    sqlx::query(newer).execute(&mut raw(&it).await).await.unwrap();
    assert!(matches!(opened().await.map(drop), Err(Error::SchemaNewer { found: 9000, .. })));
}

#[tokio::test]
async fn nodes_that_start_at_once_on_an_empty_database_migrate_it_once() {
    cluster().create_database("empty", "template1").await;
    let folders: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    seal::Sealer::create_key(&folders[0].path().join("seal.key")).unwrap();
    for folder in &folders[1..] {
        std::fs::copy(folders[0].path().join("seal.key"), folder.path().join("seal.key")).unwrap();
    }
    let clock = ManualClock::new();

    let opening = folders.iter().map(|it| try_open(it.path(), "empty", Arc::clone(&clock), 0, OpenMode::Gateway));
    let stores = futures_util::future::try_join_all(opening).await.unwrap();

    let mut connection = cluster().connect("empty").await;
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations").fetch_one(&mut connection).await.unwrap();
    assert_eq!((stores.len(), count), (4, 1));
}

#[tokio::test]
async fn a_node_with_a_wrong_clock_takes_over_nothing_and_is_listed() {
    let it = Fixture::new(open).await;
    let folder = tempfile::tempdir().unwrap();
    let second = second_node(&it, folder.path()).await;
    it.held().await;
    let heartbeat = Heartbeat { name: "two".to_owned(), version: "1.0.0".to_owned(), started_at: it.now() };

    it.clock.move_on(Duration::from_hours(1));
    let offset = second.beat(&heartbeat).await.unwrap().unwrap();

    assert!(offset > 3_500_000_000, "{offset}");
    assert!(second.claim(Priority::Otp, 10).await.unwrap().is_empty());
    let nodes = it.store.nodes().nodes().await.unwrap();
    assert_eq!(
        nodes.iter().map(|node| (node.name.as_str(), node.has_right_clock())).collect::<Vec<_>>(),
        [("two", false)]
    );
    assert_eq!(it.store.claim(Priority::Otp, 10).await.unwrap().len(), 1, "what was its own it claims all the same");
    second.close().await.unwrap();
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
        "TRUNCATE audit_event",
    ] {
        let refused = sqlx::query(text).execute(&mut database).await.unwrap_err().to_string();
        assert!(refused.contains("audit events are not"), "{text}: {refused}");
    }

    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_event").fetch_one(&mut database).await.unwrap();
    assert_eq!(count, 2);
}

#[tokio::test]
async fn without_prepared_statements_the_same_promises_are_kept() {
    keeps_every_promise(open_unprepared).await;
}

fn open_unprepared(folder: &Path, clock: Arc<ManualClock>, min_free: u64) -> Pending<Store> {
    let folder = folder.to_owned();
    Box::pin(async move {
        migrate_once().await;
        cluster().create_database(&name_of(&folder), MIGRATED).await;
        let url = cluster().url(&name_of(&folder));
        let (prepared, node) = (false, folder.clone());
        let settings = store::Settings { url, prepared, folder: node, min_free, ..store::Settings::default() };
        let sealing = seal::Settings { key_file: folder.join("seal.key") };
        Store::open(&settings, &sealing, OpenMode::Gateway, clock).await.unwrap()
    })
}
