//! Codes are unreadable once their epoch key is destroyed, in every copy of the database.

use std::fs;
use std::path::Path;
use std::time::Duration;

use otpost::domain::delivery::DeliveryId;
use otpost::store::seal::{Sealer, Settings};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row};
use uuid::Uuid;

use super::{Fixture, sqlite};

const CODES: usize = 1_000;
const LIFE: Duration = Duration::from_mins(5);

#[tokio::test]
async fn of_a_thousand_codes_in_a_backup_none_can_be_opened_after_their_deadline() {
    let it = Fixture::new(sqlite::open).await;
    it.store.prepare_key(it.now()).unwrap();
    let accepts = (0..CODES).map(|code| it.store.accept(it.code(&format!("{code:06}"))));
    for accepted in futures_util::future::join_all(accepts).await {
        accepted.unwrap();
    }
    // What a careful operator backs up, and one who copies every file that there is.
    let (careful, careless) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for backup in [careful.path(), careless.path()] {
        for file in files(it.folder.path()) {
            fs::copy(&file, backup.join(file.file_name().unwrap())).unwrap();
        }
    }
    copy_folder(&it.folder.path().join("seal.epochs"), &careless.path().join("seal.epochs"));
    assert_eq!(readable(careless.path()).await, CODES, "the backup holds all codes, and their key");

    it.clock.move_on(LIFE + Duration::from_mins(20));
    it.store.shred_keys(it.now(), LIFE).unwrap();

    assert_eq!(readable(careful.path()).await, 0);
    // The backup of the seal key, put back beside the database of today.
    fs::copy(careful.path().join("seal.key"), it.folder.path().join("seal.key")).unwrap();
    assert_eq!(readable(it.folder.path()).await, 0);
    // A gateway that finds epoch keys of the past destroys them before it does anything else.
    let restored = sqlite::open(careless.path(), it.clock.clone(), 0).await;
    restored.shred_keys(it.now(), LIFE).unwrap();
    restored.close().await.unwrap();
    assert_eq!(readable(careless.path()).await, 0);
}

/// How many codes in the database of a folder its keys open.
async fn readable(folder: &Path) -> usize {
    let sealer = Sealer::open(&Settings { key_file: folder.join("seal.key") }).unwrap();
    let file = files(folder).into_iter().find(|it| it.extension().is_some_and(|it| it == "db")).unwrap();
    let mut database = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    let rows = sqlx::query("SELECT id, sealed FROM delivery WHERE kind = 'otp' AND sealed IS NOT NULL")
        .fetch_all(&mut database)
        .await
        .unwrap();
    let opens = |row: &&sqlx::sqlite::SqliteRow| {
        sealer.open_content(row.get::<&[u8], _>("sealed"), DeliveryId(row.get::<Uuid, _>("id"))).is_ok()
    };
    assert!(rows.len() == CODES || rows.is_empty(), "{}", rows.len());
    rows.iter().filter(opens).count()
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_file()).collect()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in files(from) {
        fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}
