//! The account at a provider stops working while the gateway runs: one alarm with its cause, no lost code, and its end.

use std::process::Command;
use std::time::{Duration, Instant};

use otpost::sim::processor::OtpSample;
use otpost::sim::providers::faults::Faults;

use super::canary::get;
use super::{OTPOST, Served, Workspace, run};

const PATIENCE: Duration = Duration::from_secs(30);
const BEGINS: &str = "provider fails until its configuration or account is corrected";
const ENDS: &str = "provider accepts messages again";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn account_trouble_raises_one_alarm_with_its_cause_and_ends_when_it_is_corrected() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();
    let mut processor = gateway.processor(&workspace.identity());
    workspace.sms.station().behave(Faults { echo: true, ..Faults::down(401) });
    assert_eq!(processor.send(&OtpSample::default().sample()).await.unwrap().status, 204);

    until(&gateway, || gateway.log().matches("attempt failed").count() >= 3).await;
    let metrics = get(&gateway, "/metrics");
    let config = workspace.path("otpost.toml");
    let delivery = |args: &[&str]| run(Command::new(OTPOST).arg("delivery").args(args).arg("--config").arg(&config));
    let list: serde_json::Value = serde_json::from_str(&delivery(&["list", "--json"])).unwrap();
    let shown = delivery(&["show", list["deliveries"][0]["id"].as_str().unwrap()]);
    workspace.sms.station().behave(Faults::default());
    until(&gateway, || !workspace.sms.station().arrivals().is_empty()).await;
    // The alarm ends with a success some seconds after the last failure.
    let began = Instant::now();
    while !gateway.log().contains(ENDS) {
        assert!(began.elapsed() < PATIENCE, "{}", gateway.log());
        assert_eq!(processor.send(&OtpSample::default().sample()).await.unwrap().status, 204);
    }

    let log = gateway.log();
    assert_eq!((log.matches(BEGINS).count(), log.matches(ENDS).count()), (1, 1), "{log}");
    let line = log.lines().find(|line| line.contains(BEGINS)).unwrap();
    for part in ["\"cause\":\"unauthorized\"", "HTTP 401: ", "rejected by the simulator"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let trouble =
        |cause: &str, value: u8| format!("otpost_provider_trouble{{provider=\"sms\",cause=\"{cause}\"}} {value}\n");
    assert!(metrics.contains(&trouble("unauthorized", 1)) && metrics.contains(&trouble("wrong_url", 0)), "{metrics}");
    assert!(shown.contains("deferred, unauthorized (") && shown.contains(": HTTP 401: {\"error\""), "{shown}");
    until(&gateway, || get(&gateway, "/metrics").contains(&trouble("unauthorized", 0))).await;
}

async fn until(gateway: &Served, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "{}", gateway.log());
        tokio::task::yield_now().await;
    }
}
