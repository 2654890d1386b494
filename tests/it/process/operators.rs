//! What operators ask a running gateway, and what its log says about providers and recipients.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use otpost::domain::contact::Channel;
use otpost::sim::processor::Processor;
use otpost::sim::providers::PracticeProvider;
use otpost::sim::providers::faults::Faults;
use otpost::sim::providers::message_log::Keeping;
use serde_json::Value;

use super::canary::get;
use super::tally::Tally;
use super::{OTPOST, Served, Workspace, loopback};

const PATIENCE: Duration = Duration::from_mins(1);

fn command(workspace: &Workspace, args: &[&str]) -> Output {
    Command::new(OTPOST).args(args).arg("--config").arg(workspace.path("otpost.toml")).output().unwrap()
}

fn json(workspace: &Workspace, args: &[&str]) -> Value {
    let output = command(workspace, &[args, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// Posts one code after another, at most a thousand, until the log contains `text`.
async fn post_until_logged(tally: &Tally, processor: &mut Processor, gateway: &Served, text: &str) {
    let (mut posted, began) = (0, Instant::now());
    while !gateway.log().contains(text) {
        assert!(began.elapsed() < PATIENCE, "no {text:?} in {}", gateway.log());
        if posted < 1000 {
            assert_eq!(tally.post(processor, &tally.mark()).await, 204);
            posted += 1;
        }
        tokio::task::yield_now().await;
    }
}

fn line<'a>(log: &'a str, text: &str) -> &'a str {
    log.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("no {text:?} in {log}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn provider_list_and_route_explain_say_what_the_running_gateway_would_do_now() {
    let backup = PracticeProvider::open(Channel::Sms, loopback(), Keeping::Arrivals).await.unwrap();
    let url = format!("http://{}/sms", backup.address());
    let more = format!("[[provider]]\nname = \"backup\"\nkind = \"sms_gateway\"\nurl = \"{url}\"");
    let workspace = Workspace::new(&more).await;
    let config = workspace.path("otpost.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        text.replace("per_recipient = 10", "per_recipient = 0").replace("per_card = 10", "per_card = 0"),
    )
    .unwrap();
    let explain = ["route", "explain", "--kind", "otp", "--recipient", "storage_customer", "1337"];

    let stored = json(&workspace, &explain);
    assert_eq!((&stored["source"], &stored["recipients"][0]["candidates"][0]["order"]), (&"stored".into(), &1.into()));
    assert!(String::from_utf8_lossy(&command(&workspace, &explain).stderr).contains("no running gateway answered"));

    let gateway = workspace.serve();
    let socket = fs::metadata(workspace.path("otpost.sock")).unwrap();
    assert!(socket.file_type().is_socket() && socket.permissions().mode() & 0o777 == 0o600);
    workspace.sms.station().behave(Faults::slow(Duration::from_secs(3)));
    let tally = Tally::default();
    let mut processor = gateway.processor(&workspace.identity());
    post_until_logged(&tally, &mut processor, &gateway, "provider demoted").await;

    let log = gateway.log();
    let demoted = line(&log, "provider demoted");
    assert!(demoted.contains("\"provider\":\"sms\"") && demoted.contains("backup does better"), "{demoted}");
    let listed = json(&workspace, &["provider", "list"]);
    assert_eq!((&listed["source"], &listed["paused"]), (&"gateway".into(), &false.into()));
    assert!(listed["providers"][0]["demoted"].as_str().unwrap().starts_with("backup does better"), "{listed}");
    assert_eq!(listed["providers"][1]["demoted"], Value::Null);
    let explained = json(&workspace, &explain);
    assert_eq!(explained["source"], "gateway");
    let recipient = &explained["recipients"][0];
    assert_eq!(recipient["decision"], "send with backup to +48*****0200", "{explained}");
    let [first, second] = [&recipient["candidates"][0], &recipient["candidates"][1]];
    assert_eq!((&first["provider"], &first["order"]), (&"sms".into(), &2.into()));
    assert!(first["reason"].as_str().unwrap().contains("tried later: backup does better"), "{explained}");
    assert_eq!((&second["provider"], &second["order"]), (&"backup".into(), &1.into()));
    let shown = command(&workspace, &explain);
    assert!(shown.stderr.is_empty() && String::from_utf8_lossy(&shown.stdout).contains("1."), "{shown:?}");

    // The file changes, and the gateway does not know it.
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("name = \"backup\"", "name = \"renamed\"")).unwrap();
    let noted = String::from_utf8(command(&workspace, &["provider", "list"]).stderr).unwrap();
    assert!(noted.contains("renamed is in the configuration") && noted.contains("backup was removed"), "{noted}");

    workspace.sms.station().behave(Faults::default());
    post_until_logged(&tally, &mut processor, &gateway, "provider restored").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_socket_of_a_killed_gateway_is_no_gateway_and_the_next_one_takes_its_place() {
    let workspace = Workspace::new("").await;
    let mut gateway = workspace.serve();
    gateway.signal("-KILL");
    gateway.ended_within(Duration::from_secs(15));
    assert!(workspace.path("otpost.sock").exists());
    let list = ["provider", "list"];
    assert_eq!(json(&workspace, &list)["source"], "stored");

    let mut gateway = workspace.serve();
    assert_eq!(json(&workspace, &list)["source"], "gateway");
    gateway.signal("-TERM");
    gateway.ended_within(Duration::from_secs(15));
    assert!(!workspace.path("otpost.sock").exists(), "it is removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_alarm_names_the_delivery_and_a_recipient_that_can_be_searched_and_it_ends_with_a_line() {
    let workspace = Workspace::new("").await;
    let config = workspace.path("otpost.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("per_recipient = 10", "per_recipient = 1").replace("window = \"10m\"", "window = \"5s\"");
    fs::write(&config, text).unwrap();
    let gateway = workspace.serve();

    let mut processor = gateway.processor(&workspace.identity());
    post_until_logged(&Tally::default(), &mut processor, &gateway, "OTP rate limit exceeded").await;

    let log = gateway.log();
    let alarm: Value = serde_json::from_str(line(&log, "OTP rate limit exceeded")).unwrap();
    let (delivery, hash) = (alarm["delivery.id"].as_str().unwrap(), alarm["recipient_hash"].as_str().unwrap());
    assert_eq!((&alarm["scope"], &alarm["count"]), (&"recipient".into(), &2.into()), "{alarm}");
    let listed = json(&workspace, &["delivery", "list", "--recipient-hash", hash, "--from", "1h"]);
    let deliveries = listed["deliveries"].as_array().unwrap();
    assert!(deliveries.len() > 1 && deliveries.iter().any(|it| it["id"] == delivery), "{listed}");
    let recipient = deliveries[0]["recipient"].as_str().unwrap();
    assert!(!log.contains(recipient) && !log.contains(&recipient.replace('-', "")), "{log}");
    assert_eq!(command(&workspace, &["delivery", "list", "--recipient-hash", "12"]).status.code(), Some(2));
    let began = Instant::now();
    while !gateway.log().contains("OTP rate is within its limit again") {
        assert!(began.elapsed() < PATIENCE, "{}", gateway.log());
        std::thread::yield_now();
    }
    assert!(get(&gateway, "/metrics").contains("otpost_rate_limit_alarms_total{scope=\"recipient\"} "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn config_show_names_the_origin_of_each_value_and_config_diff_what_the_gateway_does_not_use() {
    let more = "[[provider]]\nname = \"secretive\"\nkind = \"push_http\"\nurl = \"http://127.0.0.1:1/\"\nheaders = { key = \"s3cret\" }";
    let workspace = Workspace::new(more).await;
    let gateway = workspace.serve();
    let value = |shown: &Value, key: &str| {
        let values = shown["values"].as_array().unwrap();
        values.iter().find(|it| it["key"] == key).cloned().unwrap_or_else(|| panic!("no {key} in {shown}"))
    };

    let shown = json(&workspace, &["config", "show"]);
    assert_eq!(value(&shown, "plan.otp.ttl")["value"], "5m");
    assert_eq!(value(&shown, "provider[secretive].headers.key")["value"], "***");
    assert_eq!(value(&shown, "delivery.paused")["origin"], "file");
    assert!(!shown.to_string().contains("s3cret"));
    let same = json(&workspace, &["config", "diff"]);
    assert_eq!(same["needs_restart"], serde_json::json!([]), "{same}");
    let differ: Vec<_> =
        same["differences"].as_array().unwrap().iter().map(|it| it["key"].as_str().unwrap().to_owned()).collect();
    assert!(!differ.iter().any(|key| key.starts_with("plan.")), "{differ:?}");

    let config = workspace.path("otpost.toml");
    let text = fs::read_to_string(&config).unwrap();
    super::reload::replace(
        &workspace,
        "otpost.toml",
        &text.replace("threads = 1", "threads = 2").replace("ttl = \"5m\"", "ttl = \"4m\""),
    );
    super::reload::logged(&gateway, "need a restart").await;
    let pending = json(&workspace, &["config", "diff"]);
    assert!(pending["needs_restart"].to_string().contains("threads 1 -> 2"), "{pending}");
    super::reload::replace(&workspace, "otpost.toml", &text.replace("ttl = \"5m\"", "ttl = \"50m\""));
    super::reload::logged(&gateway, "plan.otp.ttl").await;
    let refused = json(&workspace, &["config", "diff"]);
    let ttl = refused["differences"].as_array().unwrap().iter().find(|it| it["key"] == "plan.otp.ttl").unwrap().clone();
    assert_eq!((&ttl["running"], &ttl["file"]), (&"4m".into(), &"50m".into()));
}
