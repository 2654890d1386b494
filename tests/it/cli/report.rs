//! `otpost report`, as operators, spreadsheets and programs see it.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};
use otpost::channel::{Provider, SendResult};
use otpost::domain::clock::{Clock, SystemClock};
use otpost::domain::cost::Cost;
use otpost::domain::delivery::{Attempt, EndReason};
use otpost::domain::money::Currency;
use otpost::domain::outbound_message::{OutboundMessage, RenderedMessage};
use otpost::domain::outcome::{Cause, Outcome};
use otpost::flow::delivery_setup::{ConfiguredProvider, DeliverySetup, DispatchPolicy, LiveSetup};
use otpost::flow::limits::{self, SendLimits};
use otpost::flow::recipients;
use otpost::flow::tasks::daily_report::{DailyReport, Settings};
use otpost::flow::tasks::report_keeper;
use otpost::route::{Plans, ProviderProfile};
use serde_json::{Value, json};

use super::Workspace;
use super::delivery::{accept, attempt, open};
use crate::support::python;

/// Three deliveries: one sent at the second attempt by a provider whose name is a formula, one without a recipient, one open.
async fn some_deliveries(workspace: &Workspace) {
    let store = open(workspace).await;
    let cost = Cost { amount: "0.045".parse().unwrap(), currency: Currency::parse("PLN").ok() };
    let failed =
        Attempt { cost: Some(cost), segments: Some(2), ..attempt(1, "first", Outcome::unknown(Cause::TimedOut)) };
    let claimed = store.record_attempt(accept(&store).await, failed).await.unwrap();
    store.settle(claimed, Attempt { cost: Some(cost), ..attempt(2, "=1+1", Outcome::accepted(None)) }).await.unwrap();
    store.give_up(accept(&store).await, None, EndReason::UnknownRecipient).await.unwrap();
    let _open = accept(&store).await;
    report_keeper::finish(&store).await;
    store.close().await.unwrap();
}

fn rows(json_lines: &str) -> Vec<Value> {
    json_lines.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn deliveries_are_counted_by_state_provider_and_cost_and_each_is_listed() {
    let workspace = Workspace::new();
    some_deliveries(&workspace).await;
    let report = |name| {
        let said = workspace.run(&["report", name, "--from", "1h", "--format", "json"]);
        assert_eq!(said.code, 0, "{}", said.err);
        rows(&said.out)
    };

    let (summary, providers, costs) = (report("summary"), report("providers"), report("costs"));
    let deliveries = report("deliveries");

    let states = ["accepted", "open", "sent", "failed", "attempts"].map(|name| summary[0][name].as_u64().unwrap());
    assert_eq!((summary.len(), &summary[0]["kind"], states), (1, &json!("card_unlocked"), [3, 1, 1, 1, 2]));
    assert_eq!((&summary[0]["reasons"], &summary[0]["costs"]), (&json!("unknown_recipient 1"), &json!("0.09 PLN")));
    let by_provider: Vec<_> =
        providers.iter().map(|row| (row["provider"].as_str().unwrap(), row["attempts"].as_u64().unwrap())).collect();
    assert_eq!(by_provider, [("=1+1", 1), ("first", 1)]);
    assert_eq!((&costs[1]["cost"], &costs[1]["segments"]), (&json!(0.045), &json!(2)));
    let lines: Vec<_> =
        deliveries.iter().map(|row| (row["state"].as_str(), row["attempt"].as_u64().unwrap())).collect();
    assert_eq!(lines.len(), 3, "{deliveries:?}");
    assert!(lines.contains(&(Some("sent"), 2)) && lines.contains(&(None, 1)), "{lines:?}");
    assert!(lines.contains(&(Some("undeliverable"), 0)), "{lines:?}");

    let table = workspace.run(&["report", "summary", "--from", "1h", "--by", "day"]);
    assert!(table.out.contains("ACCEPTED") && table.out.contains("counted up to now"), "{}", table.out);
}

#[tokio::test]
async fn a_csv_is_read_by_python_and_runs_nothing_in_a_spreadsheet() {
    let workspace = Workspace::new();
    some_deliveries(&workspace).await;
    let script = "import csv, io, json, sys
print(json.dumps(list(csv.reader(io.StringIO(json.load(sys.stdin), newline='')))))";
    let read = |format| {
        let said = workspace.run(&["report", "providers", "--from", "1h", "--format", format]);
        let rows: Vec<Vec<String>> = serde_json::from_str(&python::run(script, &json!(said.out))).unwrap();
        assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{rows:?}");
        assert!(said.out.ends_with("\r\n"));
        rows
    };

    let (people, programs) = (read("csv"), read("csv-raw"));

    let names = people.iter().position(|row| row[0] == "channel" && row[1] == "provider").unwrap();
    assert_eq!((people[0][0].as_str(), people[names + 1][1].as_str()), ("otpost report providers", "'=1+1"));
    assert!(people[..names].iter().any(|row| row[0] == "cost" && row[1].starts_with("Price at the time")));
    assert_eq!((&programs[0], programs[1][1].as_str()), (&people[names], "=1+1"));
}

#[tokio::test]
async fn an_xlsx_is_read_by_openpyxl_with_numbers_times_and_texts() {
    let workspace = Workspace::new();
    some_deliveries(&workspace).await;
    let out = workspace.path("report.xlsx");
    let out = out.to_str().unwrap();
    let said = workspace.run(&["report", "deliveries", "--from", "1h", "--format", "xlsx", "--out", out]);
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);

    let script = "import json, sys, openpyxl
book = openpyxl.load_workbook(json.load(sys.stdin))
rows = [[(cell.value if isinstance(cell.value, (int, float, str, type(None))) else cell.value.isoformat(), cell.data_type)
         for cell in row] for row in book['deliveries'].iter_rows()]
print(json.dumps({'names': book.sheetnames, 'rows': rows, 'definitions': book['definitions'].max_row}))";
    let read: Value = serde_json::from_str(&python::run(script, &json!(out))).unwrap();

    assert_eq!(read["names"], json!(["definitions", "deliveries"]));
    let rows = read["rows"].as_array().unwrap();
    let column = |name: &str| rows[0].as_array().unwrap().iter().position(|cell| cell[0] == name).unwrap();
    let sent = rows.iter().find(|row| row[column("state")][0] == "sent").unwrap();
    assert_eq!(sent[column("provider")], json!(["=1+1", "s"]));
    assert_eq!((&sent[column("cost")], &sent[column("attempt")]), (&json!([0.045, "n"]), &json!([2, "n"])));
    assert_eq!(sent[column("received_at")][1], "d");
    let year = SystemClock.now().to_string()[..4].to_owned();
    assert!(sent[column("received_at")][0].as_str().unwrap().starts_with(&year), "{sent}");
    assert!(read["definitions"].as_u64().unwrap() > 19);
}

#[tokio::test]
async fn what_cannot_be_written_is_one_sentence_and_nothing_is_left() {
    let workspace = Workspace::new();
    some_deliveries(&workspace).await;
    let file = workspace.write("taken.csv", "mine");
    let none = workspace.path("none.csv");
    let none = none.to_str().unwrap();
    let full = "/dev/full/x.csv";
    for (args, code, sentence) in [
        (&["summary", "--from", "soon"][..], 2, "`soon` is not a time: expected"),
        (&["summary", "--from", "now", "--to", "1h"], 2, "the range ends before it begins"),
        (&["summary", "--by", "week"], 2, "expected hour, day or month"),
        (&["summary", "--format", "parquet"], 2, "expected table, csv, csv-raw, json or xlsx"),
        (&["summary", "--format", "xlsx"], 2, "name it with --out FILE"),
        (&["summary", "--delimiter", "a"], 2, "expected a character such as"),
        (&["deliveries", "--by", "day"], 2, "--by divides sums"),
        (&["summary", "--out", &file], 2, "exists; name another file, or replace it with --force"),
        (&["summary", "--out", full], 1, "cannot be written"),
    ] {
        let said = workspace.run(&[&["report"], args].concat());
        assert_eq!(said.code, code, "{args:?}: {}", said.err);
        assert!(said.err.contains(sentence), "{args:?}: {}", said.err);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let replaced = workspace.run(&["report", "summary", "--format", "csv", "--out", &file, "--force"]);
    assert_eq!(replaced.code, 0, "{}", replaced.err);
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("otpost report summary"));

    // No file of this process may grow: what a full disk does, in an ordinary folder. The files of an open database exist.
    let running = open(&workspace).await;
    let config = workspace.path("otpost.toml");
    let config = config.to_str().unwrap();
    let script = format!(
        "trap '' XFSZ; ulimit -f 0; exec {} report summary --format csv --out {none} --config {config}",
        env!("CARGO_BIN_EXE_otpost")
    );
    let ended = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    running.close().await.unwrap();
    let text = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(1) && text.contains("none.csv cannot be written"), "{text}");
    let left: Vec<_> = std::fs::read_dir(workspace.path("")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("report-") || name == "none.csv"), "{left:?}");
}

#[tokio::test]
async fn a_rebuild_proves_the_counts_and_says_what_it_repaired() {
    let workspace = Workspace::new();
    some_deliveries(&workspace).await;
    let right = workspace.run(&["report", "rebuild"]);
    assert_eq!(right.code, 0, "{}", right.err);
    assert!(right.out.starts_with("3 deliveries and 3 counts are equal to a recount"), "{}", right.out);

    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(workspace.path("otpost.db"));
    let mut database = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let text = "UPDATE report_count SET deliveries = deliveries + 5, send = x'80' WHERE attempts > 0";
    assert_eq!(sqlx::query(text).execute(&mut database).await.unwrap().rows_affected(), 2);

    let broken = workspace.run(&["report", "summary", "--from", "1h"]);
    assert!(broken.code == 1 && broken.err.contains("otpost report rebuild repairs them"), "{}", broken.err);
    let repaired = workspace.run(&["report", "rebuild", "--json"]);
    assert_eq!((repaired.code, &repaired.json()["wrong_counts"]), (1, &json!(2)), "{}", repaired.out);
    assert_eq!(workspace.run(&["report", "rebuild"]).code, 0);
}

/// Keeps the mails that it gets, and refuses the first.
/// The mails that it accepted, and the addresses to which it accepts none.
#[derive(Default)]
struct Relay {
    mails: Mutex<Vec<(String, String, String)>>,
    down_for: Mutex<Vec<&'static str>>,
}

#[async_trait]
impl Provider for Relay {
    async fn send(&self, message: &OutboundMessage) -> SendResult {
        let RenderedMessage::Email { subject, text, .. } = &message.rendered else {
            unreachable!("a report is a mail")
        };
        let to = message.to.expose();
        if self.down_for.lock().unwrap().contains(&to) {
            return Outcome::deferred(Cause::ProviderDown).into();
        }
        let mail = (to.to_owned(), subject.reveal().to_owned(), text.reveal().to_owned());
        self.mails.lock().unwrap().push(mail);
        Outcome::accepted(None).into()
    }
}

fn tomorrow_at(time: &str) -> Zoned {
    let tomorrow = SystemClock.now().to_jiff().to_zoned(TimeZone::UTC).date().saturating_add(1.day());
    format!("{tomorrow}T{time}+00:00[UTC]").parse().unwrap()
}

fn daily_report(folder: &Path, relay: &Arc<Relay>, mail_to: &[&str]) -> DailyReport {
    let settings: Settings = serde_json::from_value(json!({ "daily": {
        "time": "06:00", "folder": folder, "formats": ["csv", "xlsx"], "mail_provider": "relay", "mail_to": mail_to,
    } }))
    .unwrap();
    let profile: ProviderProfile = serde_json::from_value(json!({ "name": "relay", "channel": "email" })).unwrap();
    let setup = setup(vec![(profile, Arc::clone(relay) as Arc<dyn Provider>)]);
    DailyReport::new(&settings, setup).unwrap().unwrap()
}

/// The usual rules with these providers.
fn setup(providers: Vec<ConfiguredProvider>) -> Arc<LiveSetup> {
    let policy = DispatchPolicy {
        recipients: recipients::Settings::default(),
        plans: Plans::new(otpost::route::Settings::new()).unwrap(),
        max_age: Duration::from_hours(24),
        limits: SendLimits::new(limits::Settings::default()),
    };
    Arc::new(LiveSetup::new(DeliverySetup::new(policy, providers)))
}

#[tokio::test]
async fn the_reports_of_a_day_are_written_and_mailed_once_when_it_is_time() {
    let workspace = Workspace::new();
    some_deliveries(&workspace).await;
    let (folder, relay) = (workspace.path("reports"), Arc::new(Relay::default()));
    let daily = daily_report(&folder, &relay, &["ops@bank.example"]);
    let store = open(&workspace).await;

    assert_eq!(daily.step(&store, &tomorrow_at("05:59")).await.unwrap(), None);
    let day = daily.step(&store, &tomorrow_at("06:00")).await.unwrap().unwrap();
    assert_eq!(daily.step(&store, &tomorrow_at("09:00")).await.unwrap(), None);

    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    files.sort_unstable();
    assert_eq!(files.len(), 8, "{files:?}");
    assert_eq!(files[0], format!("{day}-costs.csv"));
    let summary = std::fs::read_to_string(folder.join(format!("{day}-summary.csv"))).unwrap();
    assert!(summary.contains("card_unlocked,3,1,1,"), "{summary}");
    let mails = relay.mails.lock().unwrap();
    assert_eq!(mails.len(), 1);
    let (to, subject, text) = &mails[0];
    assert_eq!((to.as_str(), subject.clone()), ("ops@bank.example", format!("otpost: deliveries of {day}")));
    assert!(text.contains("card_unlocked") && !text.contains("+48"), "{text}");
}

#[tokio::test]
async fn a_mail_that_failed_is_repeated_for_those_who_lack_it_also_after_a_restart() {
    let workspace = Workspace::new();
    some_deliveries(&workspace).await;
    let (folder, relay) = (workspace.path("reports"), Arc::new(Relay::default()));
    let to = ["one@bank.example", "two@bank.example", "three@bank.example"];
    *relay.down_for.lock().unwrap() = vec!["two@bank.example"];
    let store = open(&workspace).await;
    let daily = daily_report(&folder, &relay, &to);

    let failed = daily.step(&store, &tomorrow_at("06:00")).await.unwrap_err();
    let failed = otpost::domain::chain(&failed);
    assert!(
        failed.starts_with("1 of 3 mails to operators were not sent") && failed.contains("provider_down"),
        "{failed}"
    );
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 8, "files do not wait for a relay");
    daily.step(&store, &tomorrow_at("06:10")).await.unwrap_err();
    store.close().await.unwrap();
    let store = open(&workspace).await;
    relay.down_for.lock().unwrap().clear();
    let daily = daily_report(&folder, &relay, &to);
    assert!(daily.step(&store, &tomorrow_at("06:20")).await.unwrap().is_some());
    assert_eq!(daily.step(&store, &tomorrow_at("06:30")).await.unwrap(), None);

    let mails = relay.mails.lock().unwrap();
    let mailed: Vec<_> = mails.iter().map(|(to, ..)| to.as_str()).collect();
    assert_eq!(mailed, ["one@bank.example", "three@bank.example", "two@bank.example"]);
}

#[test]
fn a_mail_that_cannot_be_sent_is_refused_at_the_start() {
    let daily = |more: Value| serde_json::from_value::<Settings>(json!({ "daily": more }));
    let refused =
        |more| DailyReport::new(&daily(more).unwrap(), setup(Vec::new())).err().map(|error| error.to_string());
    assert_eq!(
        refused(json!({ "time": "06:00", "mail_provider": "relay" })).as_deref(),
        Some("report.daily.mail_provider: no e-mail provider has the name relay")
    );
    assert!(DailyReport::new(&daily(json!({ "time": "" })).unwrap(), setup(Vec::new())).unwrap().is_none());
    for bad in ["6", "25:00", "06:00:00.5", "noon"] {
        let error = daily(json!({ "time": bad })).unwrap_err().to_string();
        assert!(error.starts_with("expected a time such as"), "{bad}: {error}");
    }
}
