//! Templates of a running process: reloaded on SIGHUP, compared, and shown after their files were changed or removed.

use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use otpost::sim::processor::OtpSample;
use otpost::sim::providers::faults::Faults;
use serde_json::Value;

use super::canary::get;
use super::{OTPOST, Served, Workspace};

const PATIENCE: Duration = Duration::from_secs(20);
const NEW: &str = "NEW TEXT {{otp}} {{amount}} {{merchant}}\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn templates_are_shown_after_their_file_was_changed_and_after_it_was_deleted() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();
    let mut processor = gateway.processor(&workspace.identity());
    let mut arrivals = workspace.sms.station().subscribe();
    assert_eq!(processor.send(&OtpSample::default().sample()).await.unwrap().status, 204);
    let first = tokio::time::timeout(PATIENCE, arrivals.recv()).await.unwrap().unwrap();

    let old = fs::read_to_string(workspace.path("templates/pl/otp/sms.hbs")).unwrap();
    fs::write(workspace.path("templates/pl/otp/sms.hbs"), NEW).unwrap();
    let differs = said(&workspace, &["template", "diff", "--locale", "pl", "--kind", "otp"]);
    assert_eq!(differs.status.code(), Some(1));
    assert!(text(&differs).contains("--- a/pl/otp/sms.hbs\n+++ b/pl/otp/sms.hbs\n"), "{}", text(&differs));
    assert!(text(&differs).contains("\n+NEW TEXT {{otp}} {{amount}} {{merchant}}\n"), "{}", text(&differs));
    gateway.signal("-HUP");
    heard(&gateway, "templates reloaded\"").await;
    assert_eq!(said(&workspace, &["template", "diff"]).status.code(), Some(0));
    assert_eq!(said(&workspace, &["template", "diff", "--shipped", "--locale", "pl"]).status.code(), Some(1));

    // The provider fails, so that the second one waits with its content.
    workspace.sms.station().behave(Faults::down(503));
    assert_eq!(processor.send(&OtpSample::default().sample()).await.unwrap().status, 204);
    let (ended, waiting) = both(&workspace).await;
    fs::remove_dir_all(workspace.path("templates/pl")).unwrap();
    gateway.signal("-HUP");
    heard(&gateway, "pl/otp/sms=removed").await;

    let shown = text(&said(&workspace, &["delivery", "show", &ended, "--text"]));
    assert!(shown.contains("pl/otp/sms") && shown.contains(&old.trim().replace("{{otp}}", "••••••")), "{shown}");
    assert!(!shown.contains(&first.text) && !shown.contains("48151623"), "{shown}");
    let shown = text(&said(&workspace, &["delivery", "show", &waiting, "--text"]));
    assert!(shown.contains("NEW TEXT •••••• {{amount}} {{merchant}}"), "{shown}");
    assert!(shown.contains("text, rendered\nNEW TEXT •••••• 10,00"), "{shown}");
    assert!(shown.contains("merchant test") && !shown.contains("48151623"), "{shown}");
    let shown = json(&said(&workspace, &["delivery", "show", &waiting, "--text", "--json"]));
    let name = shown["templates"][0]["template_version"].as_str().unwrap();
    assert_eq!(shown["templates"][0]["parts"]["sms.hbs"], NEW.replace("{{otp}}", "••••••"));

    let history = json(&said(
        &workspace,
        &["template", "history", "--locale", "pl", "--kind", "otp", "--channel", "sms", "--json"],
    ));
    let changes: Vec<_> =
        history["activations"].as_array().unwrap().iter().map(|it| it["changed"].to_string()).collect();
    assert_eq!(changes, ["[\"removed\"]", "[\"sms.hbs\"]", "[\"new\"]"]);
    assert_eq!(history["activations"][1]["template_version"], name);
    let one = text(&said(&workspace, &["template", "history", &name[..12]]));
    assert!(one.starts_with(&format!("template version {name}  pl/otp/sms\n")) && one.contains(NEW), "{one}");
    assert_eq!(said(&workspace, &["template", "history", "zzz"]).status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_template_is_an_alarm_with_its_position_and_the_gateway_stays_ready() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();
    let good = fs::read_to_string(workspace.path("templates/pl/otp/sms.hbs")).unwrap();

    fs::write(workspace.path("templates/pl/otp/sms.hbs"), "{{otp}} {{unknown}}").unwrap();
    heard(&gateway, "the old templates stay active").await;

    let log = gateway.log();
    let alarms: Vec<_> = log.lines().filter(|line| line.contains("changed templates rejected")).collect();
    assert!(alarms.len() == 1 && alarms[0].contains("\"ERROR\"") && alarms[0].contains("pl/otp/sms.hbs"), "{log}");
    assert!(get(&gateway, "/metrics").contains("\notpost_template_stale 1\n"));
    assert!(get(&gateway, "/readyz").starts_with("HTTP/1.1 200"));
    fs::write(workspace.path("templates/pl/otp/sms.hbs"), good).unwrap();
    heard(&gateway, "templates reloaded\"").await;
    assert!(get(&gateway, "/metrics").contains("\notpost_template_stale 0\n"));
}

fn said(workspace: &Workspace, args: &[&str]) -> Output {
    Command::new(OTPOST).args(args).arg("--config").arg(workspace.path("otpost.toml")).output().unwrap()
}

fn text(said: &Output) -> String {
    String::from_utf8(said.stdout.clone()).unwrap()
}

fn json(said: &Output) -> Value {
    serde_json::from_slice(&said.stdout).unwrap_or_else(|_| panic!("{said:?}"))
}

// The one that has ended, and the one that waits for its next attempt.
async fn both(workspace: &Workspace) -> (String, String) {
    let began = Instant::now();
    loop {
        let listed = json(&said(workspace, &["delivery", "list", "--json"]));
        let find = |state: &str| {
            let is_it = |it: &&Value| it["state"] == state && it["attempts"].as_u64() > Some(0);
            let found = listed["deliveries"].as_array().unwrap().iter().find(is_it);
            found.map(|it| it["id"].as_str().unwrap().to_owned())
        };
        if let (Some(ended), Some(waiting)) = (find("sent"), find("open")) {
            return (ended, waiting);
        }
        assert!(began.elapsed() < PATIENCE, "{listed}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn heard(gateway: &Served, words: &str) {
    let began = Instant::now();
    while !gateway.log().contains(words) {
        assert!(began.elapsed() < PATIENCE, "no {words:?} in {}", gateway.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
