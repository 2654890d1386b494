//! Paused delivery: notifications are accepted and stored, and sent after the pause.

use std::fs;
use std::process::Command;
use std::time::Duration;

use otpost::domain::delivery::DeliveryState;
use otpost::sim::processor::OtpSample;
use otpost::store::reports::DeliveryFilter;

use super::canary::get;
use super::degraded::shown;
use super::{OTPOST, Workspace};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications_accepted_while_paused_are_sent_after_the_pause() {
    let workspace = Workspace::new("").await;
    let config = workspace.path("otpost.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("paused = false", "paused = true")).unwrap();
    let mut gateway = workspace.serve();
    let mut news = workspace.sms.station().subscribe();
    shown(&gateway, &["delivery_paused"]);
    assert!(get(&gateway, "/metrics").contains("\notpost_delivery_paused 1\n"));

    let answer = gateway.processor(&workspace.identity()).send(&OtpSample::default().sample()).await.unwrap();
    gateway.signal("-TERM");
    let status = gateway.ended_within(Duration::from_secs(15));

    assert_eq!(answer.status, 204);
    assert!(status.success() && gateway.log().contains("delivery is paused"), "{}", gateway.log());
    assert!(workspace.sms.station().arrivals().is_empty());
    let store = workspace.store().await;
    let open = DeliveryFilter { state: Some(DeliveryState::Open), ..DeliveryFilter::newest(2) };
    assert_eq!(store.reports().deliveries(&open).await.unwrap().lines.len(), 1, "kept");

    fs::write(&config, text).unwrap();
    let gateway = workspace.serve();
    shown(&gateway, &[]);
    assert!(get(&gateway, "/metrics").contains("\notpost_delivery_paused 0\n"));
    let told = tokio::time::timeout(Duration::from_secs(15), news.recv()).await.unwrap().unwrap();
    assert!(told.text.contains("1111"), "{}", told.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_pauses_and_resumes_by_a_command_which_outlives_a_restart_and_is_in_the_audit_log() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();
    let command = |args: &[&str]| {
        let output =
            Command::new(OTPOST).args(args).arg("--config").arg(workspace.path("otpost.toml")).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let mut messages = workspace.sms.station().subscribe();

    assert_eq!(command(&["pause", "--reason", " "]).0, Some(2));
    assert_eq!(command(&["pause", "--reason", "wrong texts"]).0, Some(0));
    assert!(command(&["pause", "--reason", "again"]).1.contains("already paused"));
    let alarm = shown(&gateway, &["delivery_paused"]);
    assert!(alarm.to_string().contains("wrong texts"), "{alarm}");
    drop(gateway);
    let gateway = workspace.serve();
    shown(&gateway, &["delivery_paused"]);
    let answer = gateway.processor(&workspace.identity()).send(&OtpSample::default().sample()).await.unwrap();
    assert_eq!((answer.status, workspace.sms.station().arrivals().len()), (204, 0));

    assert_eq!(command(&["resume", "--reason", "corrected"]).0, Some(0));
    tokio::time::timeout(Duration::from_secs(15), messages.recv()).await.unwrap().unwrap();
    shown(&gateway, &[]);
    assert!(command(&["resume", "--reason", "again"]).1.contains("was not paused"));
    let listed = command(&["audit", "list"]).1;
    assert!(listed.contains("delivery_paused") && listed.contains("delivery_resumed"), "{listed}");
}
