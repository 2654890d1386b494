//! Every statement of the SQLite store finds its rows by an index: none reads the whole of a table that grows.
//!
//! The statements are read from the source, so that a new one cannot be forgotten. `{NAME}` in a text is the constant of
//! that name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row, SqliteConnection};

use super::Fixture;
use super::sqlite::open;
use crate::architecture::source::{self, Source};

/// Tables that do not grow with traffic: one row, or a row for each provider, token, edit of a template, million of archived events, parked receipt
/// or session, of which there is a limit for each provider or user.
pub(super) const SMALL: [&str; 14] = [
    "_sqlx_migrations",
    "api_token",
    "audit_archive",
    "console_user",
    "console_session",
    "search_progress",
    "provider_drain",
    "provider_state",
    "parked_receipt",
    "template_activation",
    "template_change",
    "template_draft",
    "template_text",
    "template_version",
];

/// Indexes that hold open deliveries only.
pub(super) const OPEN_ONLY: [&str; 3] = ["delivery_due", "delivery_due_code", "delivery_ordering_key"];

/// What a statement begins with.
const VERBS: [&str; 5] = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "];

pub(super) struct Statement {
    pub(super) place: String,
    pub(super) text: String,
}

#[tokio::test]
async fn no_statement_reads_the_whole_of_a_table_that_grows() {
    let it = Fixture::new(open).await;
    let path = it.folder.path().join("otpost.db");
    let mut database = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let growing = growing_tables(&mut database).await;
    let statements =
        statements(&source::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap(), "store/sqlite/");

    let mut scans = Vec::new();
    for statement in &statements {
        scans.extend(scans_of(&mut database, statement, &growing).await);
    }

    assert!(statements.len() > 60, "only {} statements were found", statements.len());
    assert!(scans.is_empty(), "\n{}\n", scans.join("\n"));
}

#[tokio::test]
async fn a_scan_would_be_found() {
    let it = Fixture::new(open).await;
    let path = it.folder.path().join("otpost.db");
    let mut database = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let growing = growing_tables(&mut database).await;

    for (text, is_scan) in [
        ("SELECT count(*) FROM recipient", true),
        ("SELECT d.id FROM delivery AS d JOIN notification AS n ON n.id = d.notification_id WHERE d.kind = ?1", true),
        ("UPDATE attempt SET cause = NULL WHERE provider = ?1", true),
        ("SELECT id FROM delivery WHERE id = ?1", false),
        ("SELECT count(*) FROM delivery INDEXED BY delivery_due WHERE state = 'open'", false),
        ("SELECT name FROM provider_drain", false),
    ] {
        let statement = Statement { place: "here".to_owned(), text: text.to_owned() };
        assert_eq!(!scans_of(&mut database, &statement, &growing).await.is_empty(), is_scan, "{text}");
    }
}

async fn growing_tables(database: &mut SqliteConnection) -> BTreeSet<String> {
    let text = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let tables: Vec<String> = sqlx::query_scalar(text).fetch_all(database).await.unwrap();
    tables.into_iter().filter(|table| !SMALL.contains(&table.as_str())).collect()
}

async fn scans_of(database: &mut SqliteConnection, statement: &Statement, growing: &BTreeSet<String>) -> Vec<String> {
    let Statement { place, text } = statement;
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
    let plan =
        sqlx::raw_sql(explain).fetch_all(database).await.unwrap_or_else(|error| panic!("{place}: {error}\n{text}"));
    let steps = plan.iter().map(|row| row.get::<String, _>("detail"));
    let named = |name: &str| {
        let aliased = format!(" AS {name}");
        growing.contains(name) || growing.iter().any(|table| text.contains(&format!("{table}{aliased}")))
    };
    let is_scan = |step: &String| {
        let words: Vec<_> = step.split_whitespace().collect();
        let index = words.iter().rposition(|word| *word == "INDEX").and_then(|at| words.get(at + 1));
        words[0] == "SCAN" && named(words[1]) && !index.is_some_and(|index| OPEN_ONLY.contains(index))
    };
    steps.filter(is_scan).map(|step| format!("{place}: {step}\n    {text}")).collect()
}

/// The statements in the files of a folder.
pub(super) fn statements(sources: &[Source], folder: &str) -> Vec<Statement> {
    let store: Vec<_> = sources.iter().filter(|source| source.path.starts_with("store/")).collect();
    let own = store.iter().filter(|source| source.path.starts_with(folder) || source.path.matches('/').count() == 1);
    let constants: BTreeMap<_, _> = own.flat_map(|source| constants(source)).collect();
    let mut statements = Vec::new();
    for source in store.iter().filter(|source| source.path.starts_with(folder)) {
        let texts = source.literals.iter().filter(|literal| !source.is_test(literal.line));
        let texts: Vec<_> = texts.map(|literal| (literal.line, unquoted(&literal.text))).collect();
        // A constant that others begin with is no statement.
        let parts: BTreeSet<_> = constants
            .iter()
            .filter(|(name, _)| texts.iter().any(|(_, text)| text.contains(&format!("{{{name}}}"))))
            .map(|(_, text)| text)
            .collect();
        for (line, text) in texts.iter().filter(|(_, text)| !parts.contains(text)) {
            let place = format!("src/{}:{line}", source.path);
            let whole =
                constants.iter().fold(text.clone(), |whole, (name, part)| whole.replace(&format!("{{{name}}}"), part));
            let text = whole.trim().to_owned();
            if VERBS.iter().any(|verb| text.starts_with(verb)) {
                statements.push(Statement { place, text });
            }
        }
    }
    statements
}

/// The texts of `const NAME: &str = "...";`.
fn constants(source: &Source) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for literal in &source.literals {
        let Some(at) = source.text.find(&literal.text) else { continue };
        let before = source.text[..at].trim_end();
        let Some(before) = before.strip_suffix('=').and_then(|it| it.trim_end().strip_suffix(": &str")) else {
            continue;
        };
        if let Some((_, name)) = before.rsplit_once("const ") {
            found.push((name.to_owned(), unquoted(&literal.text)));
        }
    }
    found
}

fn unquoted(literal: &str) -> String {
    let text = literal.trim_start_matches('r').trim_matches('#');
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    text.replace("\\\"", "\"").replace("\\\n", "")
}

#[test]
fn statements_are_found_in_constants_and_formats() {
    let text = "const HEAD: &str = \"SELECT a\n FROM t\";
        fn f() { g(format!(\"{HEAD} WHERE b = \\\"c\\\"\")); h(\"DELETE FROM u\"); }";

    let found = statements(&[Source::new("store/sqlite/some.rs", text)], "store/sqlite/");

    let texts: Vec<_> = found.iter().map(|statement| statement.text.as_str()).collect();
    assert_eq!(texts, ["SELECT a\n FROM t WHERE b = \"c\"", "DELETE FROM u"]);
}
