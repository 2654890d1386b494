//! Every statement of the PostgreSQL store is understood by the server, and finds its rows by an index: none reads the whole of a
//! table that grows.
//!
//! The statements are read from the source as those of SQLite are. The planner may not scan a table as long as another way exists.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use sqlx::PgConnection;
use sqlx::Row;

use super::Fixture;
use super::postgres::{open, raw};
use super::query_plans::{OPEN_ONLY, SMALL, Statement, statements};
use crate::architecture::source;

/// Small here, too: a row for each node or process.
const OF_NODES: [&str; 2] = ["node", "last_batch"];

#[tokio::test]
async fn no_statement_reads_the_whole_of_a_table_that_grows() {
    let it = Fixture::new(open).await;
    let mut database = raw(&it).await;
    let statements =
        statements(&source::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap(), "store/postgres/");
    prepare(&mut database).await;

    let mut scans = Vec::new();
    for statement in &statements {
        scans.extend(scans_of(&mut database, statement).await);
    }

    assert!(statements.len() > 100, "only {} statements were found", statements.len());
    assert!(scans.is_empty(), "\n{}\n", scans.join("\n"));
}

#[tokio::test]
async fn a_scan_would_be_found() {
    let it = Fixture::new(open).await;
    let mut database = raw(&it).await;
    prepare(&mut database).await;

    for (text, is_scan) in [
        ("SELECT count(*) FROM attempt WHERE cause = $1", true),
        ("SELECT d.id FROM delivery AS d JOIN notification AS n ON n.id = d.notification_id WHERE d.kind = $1", true),
        ("UPDATE attempt SET cause = NULL WHERE provider = $1", true),
        ("SELECT id FROM delivery WHERE id = $1", false),
        ("SELECT name FROM provider_drain", false),
    ] {
        let statement = Statement { place: "here".to_owned(), text: text.to_owned() };
        assert_eq!(!scans_of(&mut database, &statement).await.is_empty(), is_scan, "{text}");
    }
}

// The tables are empty, and of an empty table any plan is cheap. So a scan is only chosen here when there is nothing else, and a
// join looks up each row.
async fn prepare(database: &mut PgConnection) {
    for text in ["SET enable_seqscan = off", "SET enable_bitmapscan = off", "SET plan_cache_mode = force_generic_plan"]
    {
        sqlx::query(text).execute(&mut *database).await.unwrap();
    }
}

async fn scans_of(database: &mut PgConnection, Statement { place, text }: &Statement) -> Vec<String> {
    let prepare = sqlx::AssertSqlSafe(format!("PREPARE asked AS {text}"));
    sqlx::raw_sql(prepare).execute(&mut *database).await.unwrap_or_else(|error| panic!("{place}: {error}\n{text}"));
    let parameters = (1..=20).take_while(|number| text.contains(&format!("${number}"))).map(|_| "NULL");
    let parameters = parameters.collect::<Vec<_>>().join(", ");
    let parameters = if parameters.is_empty() { parameters } else { format!("({parameters})") };
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN (FORMAT JSON) EXECUTE asked{parameters}"));
    let row = sqlx::raw_sql(explain).fetch_one(&mut *database).await;
    let row = row.unwrap_or_else(|error| panic!("{place}: {error}\n{text}"));
    sqlx::raw_sql("DEALLOCATE asked").execute(database).await.unwrap();
    let plans: Value = serde_json::from_str(row.get_unchecked(0)).unwrap();
    let mut scans = Vec::new();
    add_scans(&plans[0]["Plan"], false, &mut scans);
    scans.into_iter().map(|step| format!("{place}: {step}\n    {text}")).collect()
}

// A node that reads all rows of a table, or of an index without a condition: those in the order of an index of which only the first
// are wanted are no scan.
fn add_scans(node: &Value, is_limited: bool, scans: &mut Vec<String>) {
    let of = |key: &str| node[key].as_str().unwrap_or_default();
    let (kind, table, index) = (of("Node Type"), of("Relation Name"), of("Index Name"));
    let small: BTreeSet<_> = SMALL.iter().chain(&OF_NODES).copied().collect();
    let reads_all = match kind {
        "Seq Scan" => true,
        "Index Scan" | "Index Only Scan" => node["Index Cond"].is_null() && !is_limited && !OPEN_ONLY.contains(&index),
        _ => false,
    };
    if reads_all && !small.contains(table) {
        scans.push(format!("{kind} on {table} {index}"));
    }
    let is_limited = match kind {
        "Limit" => true,
        "Sort" | "Aggregate" => false,
        _ => is_limited,
    };
    for child in node["Plans"].as_array().into_iter().flatten() {
        add_scans(child, is_limited, scans);
    }
}
