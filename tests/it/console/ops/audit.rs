//! The pages of the audit log.

use std::io::Read;
use std::time::{Duration, Instant};

use otpost::audit::bundle;
use otpost::domain::audit_event::{Actor, AuditEvent, AuditKind};

use super::{Browser, EVIL, PATIENCE, exported, gateway, signed_in, user};
use crate::support::{Gateway, otp, recipient};

#[tokio::test]
async fn what_operators_did_is_listed_in_words_and_found_by_kind_actor_and_time() {
    let (gateway, _) = gateway().await;
    let anna = user(&gateway, "anna", &["operator"]).await;
    anna.post("/providers/drain", &[("name", "primary"), ("reason", "maintenance")]).await.location();
    // Sessions end meanwhile.
    gateway.clock.move_on(Duration::from_hours(2));
    let browser = signed_in(&gateway, &["operator", "security"]).await;
    let ben = user(&gateway, "ben", &["operator"]).await;
    ben.post("/providers/enable", &[("name", "primary"), ("reason", "done")]).await.location();

    let all = browser.page("/audit").await;
    all.shows("user:anna drained a provider provider primary reason maintenance").shows("enabled a provider");
    let by_ben = browser.page("/audit?actor=ben").await;
    by_ben.shows("enabled a provider");
    assert!(!by_ben.words().contains("drained a provider"));
    let drained = browser.page("/audit?kind=provider_drained").await;
    drained.shows("drained a provider");
    assert!(!drained.words().contains("enabled a provider"));
    let (before, since) = (browser.page("/audit?to=1h").await, browser.page("/audit?from=1h").await);
    before.shows("drained a provider");
    assert!(!before.words().contains("enabled a provider") && !since.words().contains("drained a provider"));
    since.shows("enabled a provider");
    browser.page("/audit?actor=nobody").await.shows("No event matches.");
    browser.page("/audit?from=never").await.shows("`never` is not a time");
}

#[tokio::test]
async fn the_events_of_a_delivery_are_found_by_its_id() {
    let (gateway, browser) = gateway().await;
    gateway.knows([recipient("anna").customer("1337").phone("+48600100200")]).await;
    gateway.post(&otp()).await;
    gateway.drain().await;
    let delivery = gateway.last().await.line.id;

    let page = browser.page(&format!("/audit?id={delivery}")).await;
    page.shows("accepted a notification").shows("sent the message");
    assert!(!browser.page("/audit").await.words().contains("sent the message"));
    browser.page("/audit?scope=all&kind=sent").await.shows("sent the message");
    browser.page("/audit?id=nonsense").await.shows("The id is that of a delivery or of a notification");
    browser
        .page(&format!("/audit?id={}", uuid::Uuid::now_v7()))
        .await
        .shows("No delivery and no notification has this id");
}

#[tokio::test]
async fn long_lists_go_on_page_by_page_without_a_gap() {
    let (gateway, browser) = gateway().await;
    let event = |number: u64| {
        AuditEvent::new(Actor::Operator("anna".to_owned()), AuditKind::BackupMade, gateway.now()).with("number", number)
    };
    let events: Vec<_> = (0..120).map(event).collect();
    gateway.store().audit_events().record(&events).await.unwrap();

    let (mut path, mut seen) = ("/audit?kind=backup_made".to_owned(), Vec::new());
    loop {
        let text = browser.page(&path).await.text();
        let numbers =
            text.split("number</span> ").skip(1).filter_map(|rest| rest.split('<').next()?.trim().parse().ok());
        seen.extend(numbers.collect::<Vec<u64>>());
        let next = text
            .split("href=\"/audit?")
            .skip(1)
            .find_map(|rest| rest.split('"').next().filter(|it| it.contains("before")));
        let Some(next) = next else { break };
        path = format!("/audit?{}", next.replace("&amp;", "&").replace("&#x3D;", "="));
    }
    assert_eq!(seen, (0..120).rev().collect::<Vec<_>>());
}

/// Lets time pass until every event is signed.
async fn signed(gateway: &Gateway, browser: &Browser) {
    let since = Instant::now();
    while !browser.page("/audit/log").await.words().contains("Waiting none") {
        assert!(since.elapsed() < PATIENCE, "events wait for their signature");
        gateway.clock.move_on(Duration::from_secs(15));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn an_export_is_verified_offline_and_the_check_says_that_the_log_is_right() {
    let (gateway, browser) = gateway().await;
    gateway.knows([recipient("anna").customer("1337").phone("+48600100200")]).await;
    gateway.post(&otp()).await;
    gateway.drain().await;
    signed(&gateway, &browser).await;
    // A range ends before its last moment, and this clock stands still.
    gateway.clock.move_on(Duration::from_secs(1));
    browser.page("/audit/log?check=1").await.shows("is right").shows("the hashes of the newest");

    let file = exported(&browser, "/audit/export", &[("from", "1d"), ("to", "now")]).await;
    assert_eq!(file.header("content-type"), "application/zip");
    let folder = tempfile::tempdir().unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(file.body)).unwrap();
    let mut root = String::new();
    for at in 0..zip.len() {
        let mut entry = zip.by_index(at).unwrap();
        let name = entry.name().unwrap().into_owned();
        let path = folder.path().join(&name);
        name.split('/').next().unwrap().clone_into(&mut root);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let verified = bundle::verify(&folder.path().join(root), None, &[], |_, _| ()).unwrap();
    assert!(verified.events > 2, "{verified:?}");
    let audit = gateway.files.audit().await;
    assert!(audit.iter().any(|it| it.0 == "audit_exported" && it.1["events"] == verified.events), "{audit:?}");
}

#[tokio::test]
async fn only_some_roles_see_and_export_the_audit_log() {
    let (gateway, _) = gateway().await;
    for role in ["viewer", "support", "author", "approver", "operator"] {
        let browser = signed_in(&gateway, &[role]).await;
        for path in ["/audit", "/audit/log", "/audit/log?check=1"] {
            assert_eq!(browser.get(path).await.status, 403, "{role} {path}");
        }
    }
    let admin = signed_in(&gateway, &["admin"]).await;
    admin.page("/audit/log").await;
    let fields = [("from", "1d"), ("to", "now")];
    for browser in [admin, signed_in(&gateway, &["operator"]).await] {
        assert_eq!(browser.post("/audit/export", &fields).await.status, 403);
    }
    let refused =
        signed_in(&gateway, &["security"]).await.post("/audit/export", &[("from", "now"), ("to", "1d")]).await;
    assert_eq!(refused.status, 422);
}

#[tokio::test]
async fn texts_of_others_are_text_in_the_audit_log() {
    let (gateway, browser) = gateway().await;
    browser.post("/providers/drain", &[("name", "primary"), ("reason", EVIL)]).await.location();
    let by = AuditEvent::new(Actor::Operator(EVIL.to_owned()), AuditKind::BackupMade, gateway.now()).with(EVIL, EVIL);
    gateway.store().audit_events().record(&[by]).await.unwrap();

    let page = browser.page("/audit").await;
    assert!(page.text().matches("&lt;script&gt;").count() >= 3);
    let filtered = browser.page("/audit?actor=%22%3E%3Cscript%3E&kind=%3Cscript%3E&id=%3Cscript%3E").await;
    assert!(filtered.text().contains("&lt;script&gt;"));
}
