//! Templates change while the gateway runs: they are active within two seconds, for whole messages only, and never when they
//! are invalid; and each attempt names the template version that it was rendered from.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use otpost::domain::template_version::TemplateVersion;
use otpost::telemetry;

use crate::support::{Gateway, Setup, locked, otp, recipient};

/// The promised time.
const LIVE: Duration = Duration::from_secs(2);

/// Longer than anything here takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(1);

const SMS: &str = "templates/pl/otp/sms.hbs";
const CHANGES: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_template_is_active_within_two_seconds_and_earlier_attempts_keep_their_version() {
    let gateway = gateway_with_two().await;
    let old = told(&gateway).await;
    let before = template_version(&gateway).await;

    let began = Instant::now();
    gateway.files.replace(SMS, "NEW TEXT {{otp}} {{amount}} {{merchant}}");
    until(async || told(&gateway).await.starts_with("NEW TEXT 48151623")).await;
    let took = began.elapsed();

    assert!(took < LIVE, "{took:?}");
    let after = template_version(&gateway).await;
    let first = gateway.deliveries().await[0].id;
    assert_eq!(
        gateway.store().reports().delivery(first).await.unwrap().unwrap().attempts[0].template_version,
        Some(before)
    );
    let words = gateway.store().template_versions().snapshots(&[before, after]).await.unwrap();
    assert!(words[&after].parts["sms.hbs"].starts_with("NEW TEXT") && !old.starts_with("NEW TEXT"));
    assert!(!words[&before].parts["sms.hbs"].starts_with("NEW TEXT"));
    let events = gateway.files.audit().await;
    let (_, detail) = events.iter().find(|(kind, _)| kind == "templates_activated").unwrap();
    assert_eq!(detail["templates"]["pl/otp/sms"], after.to_string());
    assert_eq!(detail["count"], 1);
}

#[tokio::test]
async fn a_rejected_template_changes_nothing_and_is_an_alarm_until_it_is_fixed() {
    let metrics = telemetry::collect().unwrap();
    let gateway = gateway_with_two().await;
    let old = told(&gateway).await;
    let good = fs::read_to_string(gateway.files.path(SMS)).unwrap();
    let says = |line: &str| metrics.render().lines().any(|it| it == line);
    assert!(says("otpost_template_stale 0"));

    gateway.files.replace(SMS, "{{otp}} and no more");
    until(async || says("otpost_template_stale 1")).await;
    assert_eq!(told(&gateway).await, old);
    gateway.files.replace("templates/en/otp/sms.hbs", "NEW {{otp}} {{amount}} {{merchant}}");
    until(async || says("otpost_template_reloads_total{outcome=\"rejected\"} 2")).await;
    assert!(!told_to(&gateway, "2").await.starts_with("NEW"), "the whole set waits for the rejected template");
    gateway.files.replace(SMS, &good);
    until(async || says("otpost_template_stale 0")).await;

    assert!(says("otpost_template_reloads_total{outcome=\"activated\"} 1"));
    assert!(told_to(&gateway, "2").await.starts_with("NEW"));
    assert_eq!(told(&gateway).await, old);
    let events = gateway.files.audit().await;
    let refused: Vec<_> = events.iter().filter(|(kind, _)| kind == "templates_rejected").collect();
    let said = refused[0].1["diagnostics"].to_string();
    assert!(refused.len() == 1 && said.contains("sms.hbs") && said.contains("amount and merchant"), "{said}");
}

#[tokio::test]
async fn a_removed_locale_falls_back_to_the_default_one_and_its_versions_are_kept() {
    let gateway = gateway_with_two().await;
    let english = told_to(&gateway, "2").await;
    let before = template_version(&gateway).await;

    fs::remove_dir_all(gateway.files.path("templates/en")).unwrap();
    until(async || told_to(&gateway, "2").await == told(&gateway).await).await;

    assert_ne!(told_to(&gateway, "2").await, english);
    let gone = gateway.store().template_versions().activations().await.unwrap();
    assert_eq!(gone.iter().filter(|change| change.template_version.is_none()).count(), 27);
    assert_eq!(
        gateway.store().template_versions().snapshots(&[before]).await.unwrap()[&before].key.to_string(),
        "en/otp/sms"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_rendered_from_two_template_sets() {
    let gateway = gateway_with_two().await;
    gateway.knows([recipient("three").customer("3").app("token")]).await;
    let folder = gateway.files.path("templates/pl");

    for version in 1..=CHANGES {
        turn(&folder, version);
        gateway.reread_texts();
        // Some sets are read before the next one comes, others are overtaken while they are read.
        for _ in 0..=version % 6 {
            gateway.post(&otp().customer("3")).await.expect_status(204);
            gateway.settle().await;
        }
        // However long a reading takes, some sets are seen in force, the last among them.
        if version % 10 == 0 {
            until(async || {
                gateway.post(&otp().customer("3")).await.expect_status(204);
                gateway.settle().await;
                gateway.push().received().last().unwrap().title.as_deref() == Some(&format!("title {version}"))
            })
            .await;
        }
    }

    let mut seen = BTreeSet::new();
    for message in gateway.push().received() {
        let version = message.title.as_deref().unwrap().strip_prefix("title ");
        let in_body = message.text.rsplit_once(" body ").map(|(_, version)| version);
        assert_eq!(version, in_body, "{message:?}");
        seen.insert(version.map(str::to_owned));
    }
    assert!(seen.len() > 3, "templates were meant to change while messages are sent: {seen:?}");
}

#[tokio::test]
async fn template_versions_stay_the_same_across_a_restart_and_are_not_stored_again() {
    let gateway = gateway_with_two().await;
    gateway.post(&locked(gateway.now())).await.expect_status(204);
    told(&gateway).await;
    let (before, changes) =
        (template_version(&gateway).await, gateway.store().template_versions().activations().await.unwrap());

    let gateway = gateway.restart().await;
    told(&gateway).await;

    assert_eq!(template_version(&gateway).await, before);
    assert_eq!(gateway.store().template_versions().activations().await.unwrap(), changes);
    assert_eq!(changes.len(), 54, "two languages, nine kinds, three channels");
}

// Two people, each with a phone: the first reads Polish, the second English.
async fn gateway_with_two() -> Gateway {
    let gateway = Setup::new().start().await;
    let one = recipient("one").customer("1337").phone("+48600100200");
    gateway.knows([one, recipient("two").customer("2").reads("en").phone("+48600100300")]).await;
    gateway
}

async fn told(gateway: &Gateway) -> String {
    told_to(gateway, "1337").await
}

// Sends a code and returns what arrived, without the hour in it.
async fn told_to(gateway: &Gateway, customer: &str) -> String {
    gateway.post(&otp().customer(customer)).await.expect_status(204);
    gateway.settle().await;
    gateway.sms("primary").received().last().unwrap().text.clone()
}

/// The words of the newest delivery's last attempt.
async fn template_version(gateway: &Gateway) -> TemplateVersion {
    gateway.last().await.attempts.last().unwrap().template_version.unwrap()
}

// The whole folder of a kind gives way to another one, as a tool that copies beside and renames does it.
fn turn(locale: &Path, version: usize) {
    let (next, otp, old) = (locale.join("next"), locale.join("otp"), locale.join("old"));
    fs::create_dir(&next).unwrap();
    for entry in fs::read_dir(&otp).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), next.join(entry.file_name())).unwrap();
    }
    fs::write(next.join("push.title.hbs"), format!("title {version}")).unwrap();
    fs::write(next.join("push.body.hbs"), format!("{{{{otp}}}} {{{{amount}}}} {{{{merchant}}}} body {version}"))
        .unwrap();
    fs::rename(&otp, &old).unwrap();
    fs::rename(&next, &otp).unwrap();
    fs::remove_dir_all(&old).unwrap();
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
