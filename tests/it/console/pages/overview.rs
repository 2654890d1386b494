//! The overview.

use std::time::{Duration, Instant};

use otpost::domain::access::Role;
use otpost::flow::tasks::report_keeper;
use otpost::pki::jwe_keys::KeyringEditor;

use super::{CONSOLE, everybody, gateway};
use crate::support::console::signed_in;
use crate::support::{Setup, otp};

/// Longer than anything takes: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_overview_counts_what_was_accepted_by_kind_and_shows_providers_and_queues() {
    let gateway = gateway().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.post(&otp().customer("4711").key("other")).await.expect_status(204);
    gateway.drain().await;
    let user = signed_in(&gateway, &[Role::Viewer]).await;

    let row = "href=\"/deliveries?kind=otp\">otp</a></th><td class=\"number\">2</td>";
    let end = Instant::now() + PATIENCE;
    let page = loop {
        report_keeper::finish(gateway.store()).await;
        let page = user.page("/").await;
        if page.contains(row) {
            break page;
        }
        assert!(Instant::now() < end, "{page}");
    };
    for shown in
        ["No alarms", "Codes in the queue", "primary", "Last hour", "Last day", "<svg", "aria-label=\"Deliveries by"]
    {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(page.len() < 100 * 1024, "{}", page.len());

    let part = user.get_with("/overview/live", "HX-Request: true\r\nX-Poll: 1\r\n").await.expect_status(200).body;
    assert!(part.starts_with("<div id=\"live\"") && part.contains(row) && !part.contains("<html"), "{part}");
}

#[tokio::test]
async fn an_alarm_says_what_it_means_and_what_to_do() {
    let gateway = Setup::new().more(&format!("[delivery]\npaused = true\n{CONSOLE}")).start().await;
    let page = everybody(&gateway).await.page("/").await;
    assert!(page.contains("Alarm: delivery paused"), "{page}");
    assert!(
        page.contains("Codes expire unless delivery goes on in time.") && page.contains("Set delivery.paused"),
        "{page}"
    );
}

#[tokio::test]
async fn assets_are_kept_by_their_hash_and_are_not_sent_twice() {
    let gateway = gateway().await;
    let user = everybody(&gateway).await;
    let page = user.page("/").await;
    let address = page.split('"').find(|part| part.starts_with("/assets/console.css?v=")).unwrap();
    let style = user.get(address).await.expect_status(200);
    assert_eq!(style.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let known = format!("If-None-Match: {}\r\n", style.header("etag").unwrap());
    let again = user.get_with("/assets/console.css", &known).await.expect_status(304);
    assert_eq!((again.body.as_str(), again.header("cache-control")), ("", Some("no-cache")));
    assert!(style.body.len() <= 15 * 1024, "{}", style.body.len());
    user.get("/assets/..%2flayout.hbs").await.expect_status(404);
}

#[tokio::test]
async fn upkeep_lists_what_ends_gets_old_or_lags_and_says_why_it_matters() {
    let gateway = gateway().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;
    let user = signed_in(&gateway, &[Role::Viewer]).await;

    let page = user.page("/upkeep").await;

    for shown in [
        "Certificate of the ingest listener",
        "Client CA",
        "Certificate of the client ",
        "Counting for reports",
        "Signing of the audit log",
        "processors can no longer connect",
        "otpost key new",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let topics = ["certificates", "encryption-keys", "old-texts", "missing-texts", "reports", "audit-log"];
    assert!(topics.iter().all(|topic| page.contains(&format!("<h2 id=\"{topic}\">"))), "{page}");
    gateway.clock.move_on(Duration::from_secs(1));
    let overview = user.page("/").await;
    assert!(overview.contains("href=\"/upkeep\"") && overview.contains("<h2 id=\"upkeep\">"), "{overview}");
}

#[tokio::test]
async fn keys_that_are_published_for_a_year_and_files_that_differ_are_due() {
    let gateway = Setup::new().first("source = \"console\"\n").more(CONSOLE).start().await;
    let mut keys = KeyringEditor::begin(&gateway.files.path("pki/encryption")).unwrap();
    let key = keys.add_first(2048, gateway.now().before(Duration::from_hours(24 * 366))).unwrap();
    let user = signed_in(&gateway, &[Role::Viewer]).await;
    assert!(user.page("/upkeep").await.contains("are the live texts"));
    let path = gateway.files.config().templates.dir.join("pl/otp/sms.hbs");
    std::fs::write(path, "OTHER {{otp}} {{amount}} {{merchant}}\n").unwrap();

    let overview = user.page("/").await;

    assert!(overview.contains(&format!("Key {key}")) && overview.contains("published for 366 days"), "{overview}");
    assert!(overview.contains("differ: pl/otp/sms.hbs"), "{overview}");
    assert!(overview.contains("href=\"/upkeep#texts-of-files\""), "{overview}");
}
