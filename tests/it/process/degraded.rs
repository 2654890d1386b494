//! What an operator has broken does not stop a start where the last good state is safe to use: the gateway says so. Where it
//! is not, the start refuses and says what to do.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use otpost::sim::processor::OtpSample;
use serde_json::Value;

use super::canary::get;
use super::{OTPOST, Served, Workspace, run};

const PATIENCE: Duration = Duration::from_secs(20);

/// The status line and the body of `/readyz`.
pub(super) fn readiness(gateway: &Served) -> (String, Value) {
    let answer = get(gateway, "/readyz");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), serde_json::from_str(body).unwrap())
}

/// Waits until exactly these alarms are shown; returns what `/readyz` says.
pub(super) fn shown(gateway: &Served, alarms: &[&str]) -> Value {
    let began = Instant::now();
    loop {
        let (head, body) = readiness(gateway);
        let found: Vec<_> = body["alarms"].as_array().unwrap().iter().map(|it| it["alarm"].as_str().unwrap()).collect();
        if found == alarms {
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            assert_eq!(body["status"], if alarms.is_empty() { "ready" } else { "degraded" });
            return body;
        }
        assert!(began.elapsed() < PATIENCE, "not {alarms:?} but {body}: {}", gateway.log());
        std::thread::yield_now();
    }
}

/// The log, once it says that an alarm was cleared: a line may arrive after `/readyz` has changed.
pub(super) fn log_with_end(gateway: &Served) -> String {
    let began = Instant::now();
    while !gateway.log().contains("alarm cleared") {
        assert!(began.elapsed() < PATIENCE, "{}", gateway.log());
        std::thread::yield_now();
    }
    gateway.log()
}

fn stop(mut gateway: Served) {
    gateway.signal("-TERM");
    assert!(gateway.ended_within(Duration::from_secs(15)).success(), "{}", gateway.log());
}

fn refused(workspace: &Workspace) -> String {
    let started = Served::try_start(Command::new(OTPOST), &workspace.path("otpost.toml"), "info");
    started.err().expect("the gateway started")
}

async fn receives_a_code(workspace: &Workspace, gateway: &Served) -> String {
    let mut arrivals = workspace.sms.station().subscribe();
    let sent = gateway.processor(&workspace.identity()).send(&OtpSample::default().sample()).await.unwrap();
    assert_eq!(sent.status, 204);
    tokio::time::timeout(PATIENCE, arrivals.recv()).await.unwrap().unwrap().text.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_template_edit_and_a_restart_leave_the_last_templates_in_use_until_the_edit_is_corrected() {
    let workspace = Workspace::new("").await;
    let path = workspace.path("templates/pl/otp/sms.hbs");
    fs::write(&path, "LAST GOOD {{otp}} {{amount}} {{merchant}}\n").unwrap();
    stop(workspace.serve());
    fs::write(&path, "{{otp}} {{unknown}}").unwrap();

    let gateway = workspace.serve();

    let text = receives_a_code(&workspace, &gateway).await;
    assert!(text.starts_with("LAST GOOD 1111"), "{text}");
    let body = shown(&gateway, &["templates"]);
    assert!(body["alarms"][0]["detail"].as_str().unwrap().contains("pl/otp/sms.hbs"), "{body}");
    let metrics = get(&gateway, "/metrics");
    assert!(metrics.contains("\notpost_template_stale 1\n"), "{metrics}");
    assert!(metrics.contains("\notpost_alarm_active{alarm=\"templates\"} 1\n"), "{metrics}");
    let log = gateway.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("templates rejected at the start")).collect();
    assert!(lines.len() == 1 && lines[0].contains("\"ERROR\""), "{log}");

    fs::write(&path, "CORRECTED {{otp}} {{amount}} {{merchant}}\n").unwrap();
    shown(&gateway, &[]);
    let text = receives_a_code(&workspace, &gateway).await;
    assert!(text.starts_with("CORRECTED 1111"), "{text}");
    let log = log_with_end(&gateway);
    let cleared = log.lines().filter(|line| line.contains("alarm cleared") && line.contains("\"templates\"")).count();
    assert_eq!(cleared, 1, "{log}");
    assert!(get(&gateway, "/metrics").contains("\notpost_alarm_active{alarm=\"templates\"} 0\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_valid_templates_the_start_refuses_and_says_what_to_do() {
    let workspace = Workspace::new("").await;
    fs::write(workspace.path("templates/pl/otp/sms.hbs"), "{{otp}} {{unknown}}").unwrap();

    let log = refused(&workspace);

    for part in ["no templates can be used", "otpost template check", "pl/otp/sms.hbs"] {
        assert!(log.contains(part), "no {part:?} in {log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_cannot_be_used_at_the_start_is_replaced_by_the_last_one_with_the_same_key() {
    let workspace = Workspace::new("").await;
    stop(workspace.serve());
    let good = fs::read(workspace.path("pki/server.pem")).unwrap();
    fs::write(workspace.path("pki/server.pem"), &good[..good.len() / 2]).unwrap();

    let gateway = workspace.serve();

    receives_a_code(&workspace, &gateway).await;
    let body = shown(&gateway, &["server_certificate"]);
    assert!(body["alarms"][0]["detail"].as_str().unwrap().contains("ingest.certificate"), "{body}");
    fs::write(workspace.path("pki/server.pem"), &good).unwrap();
    shown(&gateway, &[]);
    let copies = fs::read_dir(workspace.path("otpost.earlier")).unwrap().map(|entry| entry.unwrap().path());
    for copy in copies {
        assert!(!fs::read_to_string(&copy).unwrap().contains("PRIVATE"), "{}", copy.display());
    }
    stop(gateway);

    // With another key no earlier certificate can be used.
    fs::write(workspace.path("pki/server.pem"), "broken").unwrap();
    fs::copy(workspace.path("pki/processor.key"), workspace.path("pki/server.key")).unwrap();
    assert!(refused(&workspace).contains("ingest.certificate"), "{}", refused(&workspace));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encryption_key_that_cannot_be_read_at_the_start_costs_only_the_bodies_for_it() {
    let workspace = Workspace::new("").await;
    let config = workspace.path("otpost.toml");
    run(Command::new(OTPOST).args(["key", "new", "--activate", "--config"]).arg(&config));
    let keys = fs::read_dir(workspace.path("pki/encryption")).unwrap().map(|entry| entry.unwrap().path());
    let key = keys.into_iter().find(|path| path.extension().is_some_and(|end| end == "pem")).unwrap();
    let good = fs::read(&key).unwrap();
    fs::write(&key, "broken").unwrap();

    let gateway = workspace.serve();

    receives_a_code(&workspace, &gateway).await;
    let body = shown(&gateway, &["encryption_keys"]);
    let detail = body["alarms"][0]["detail"].as_str().unwrap();
    assert!(detail.contains(key.file_name().unwrap().to_str().unwrap()), "{detail}");
    fs::write(&key, good).unwrap();
    gateway.signal("-HUP");
    shown(&gateway, &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_decides_about_trust_is_never_taken_from_an_earlier_run_and_the_start_says_what_to_do() {
    let workspace = Workspace::new("").await;
    stop(workspace.serve());
    let config = fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let pin = config.find("\nspki_pins = [\"").unwrap() + 15;
    let bad_pin = format!("{}?{}", &config[..pin], &config[pin + 1..]);
    for (file, bad, named, advice) in [
        ("pki/dev/ca.pem", "broken", "ingest.client_ca", "put the certificate of the client CA back"),
        ("pki/dev/crl.pem", "broken", "ingest.crl", "write a new one with otpost ca crl"),
        ("otpost.toml", bad_pin.as_str(), "ingest.client processor-dev", "correct the entry"),
    ] {
        let good = fs::read(workspace.path(file)).unwrap();
        fs::write(workspace.path(file), bad).unwrap();

        let log = refused(&workspace);

        for part in [named, "is never used", advice] {
            assert!(log.contains(part), "no {part:?} in {log}");
        }
        fs::write(workspace.path(file), good).unwrap();
    }
    stop(workspace.serve());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_reload_is_shown_until_a_reload_succeeds() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();
    let good = fs::read(workspace.path("pki/dev/crl.pem")).unwrap();

    fs::write(workspace.path("pki/dev/crl.pem"), "broken").unwrap();
    let body = shown(&gateway, &["reload"]);
    assert!(body["alarms"][0]["detail"].as_str().unwrap().contains("ingest.crl"), "{body}");
    fs::write(workspace.path("pki/dev/crl.pem"), good).unwrap();
    shown(&gateway, &[]);

    let log = log_with_end(&gateway);
    assert_eq!(log.lines().filter(|line| line.contains("alarm cleared")).count(), 1, "{log}");
}
