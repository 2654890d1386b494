//! Databases that a command cannot use: of another version, locked, or protected. Each error says which.

use std::sync::Arc;

use otpost::domain::clock::SystemClock;
use otpost::store::{OpenMode, Settings, Store, seal};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::Workspace;

async fn change(workspace: &Workspace, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(workspace.path("otpost.db"));
    let mut database = options.connect().await.unwrap();
    sqlx::query(statement).execute(&mut database).await.unwrap();
    sqlx::Connection::close(database).await.unwrap();
}

fn said_by_all(workspace: &Workspace, part: &str) {
    for args in [&["check"][..], &["serve"], &["delivery", "list"]] {
        let said = workspace.run(args);
        assert_ne!(said.code, 0, "{args:?}: {}", said.out);
        assert!(said.out.contains(part) || said.err.contains(part), "{args:?}: {}{}", said.out, said.err);
        assert!(!said.out.contains("migrates it") && !said.err.contains("migrates it"), "{}{}", said.out, said.err);
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_says_so() {
    let workspace = Workspace::small();
    change(
        &workspace,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
           VALUES (99999, 'of the future', TRUE, x'00', 0)",
    )
    .await;
    said_by_all(&workspace, "the database is of a newer otpost: it has migration 99999, and this version knows");
}

#[tokio::test]
async fn a_changed_migration_is_named() {
    let workspace = Workspace::small();
    change(&workspace, "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 3").await;
    said_by_all(&workspace, "migration 3 (providers) is not the one that this database was migrated with");
}

#[tokio::test]
async fn a_database_of_an_older_version_is_a_warning_of_check_and_no_command_migrates_it() {
    let workspace = Workspace::small();
    change(&workspace, "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)")
        .await;

    let checked = workspace.run(&["check"]);
    let listed = workspace.run(&["delivery", "list"]);

    let line = checked.out.lines().find(|line| line.contains("`otpost serve` of this version migrates it")).unwrap();
    assert!(line.starts_with("warning") && checked.code == 0, "{}", checked.out);
    assert_eq!(listed.code, 1);
    assert!(listed.err.contains("of an older otpost"), "{}", listed.err);
}

#[tokio::test]
async fn a_second_gateway_is_told_of_the_first() {
    let workspace = Workspace::small();
    let settings = Settings { url: format!("sqlite:{}", workspace.path("otpost.db").display()), ..Settings::default() };
    let sealing = seal::Settings { key_file: workspace.path("keys/seal.key") };
    let _running = Store::open(&settings, &sealing, OpenMode::Gateway, Arc::new(SystemClock)).await.unwrap();

    let second = workspace.run(&["serve"]);

    assert_eq!(second.code, 2);
    assert!(second.err.contains("another otpost is running on this database ("), "{}", second.err);
    assert!(second.err.contains("otpost.lock"), "{}", second.err);
}
