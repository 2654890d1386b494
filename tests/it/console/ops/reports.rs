//! The pages of reports, and exports.

use std::time::Duration;

use otpost::domain::access::Role;
use otpost::domain::clock::Timestamp;

use super::{exported, gateway, signed_in, until, user};
use crate::support::console::{self, Request};
use crate::support::{Gateway, otp, recipient};

/// Two codes, one of them for nobody.
async fn two_codes(gateway: &Gateway) {
    gateway.knows([recipient("anna").customer("1337").phone("+48600100200")]).await;
    gateway.post(&otp()).await;
    gateway.drain().await;
}

/// The range of the day of the gateway's clock, whose time is not the machine's.
fn day(at: Timestamp) -> String {
    let day = at.to_jiff().strftime("%F");
    format!("from={day}T00:00:00Z&to={day}T23:59:59Z")
}

#[tokio::test]
async fn every_report_is_shown_with_its_definitions_and_a_picture() {
    let (gateway, browser) = gateway().await;
    two_codes(&gateway).await;
    let day = day(gateway.now());

    let summary = until(&browser, &format!("/reports/summary?{day}"), "otp 1").await;
    summary.shows("Deliveries that a provider accepted, without a receipt so far.");
    assert!(summary.text().contains("<svg"), "no picture");
    until(&browser, &format!("/reports/providers?{day}&by=hour"), "sms primary").await.shows("PL");
    until(&browser, &format!("/reports/locales?{day}"), "pl otp sms").await;
    until(&browser, &format!("/reports/costs?{day}"), "primary sms").await;
    browser.page("/reports").await.shows("No reports are written every day.");
    assert_eq!(browser.get("/reports/nothing").await.status, 404);
}

#[tokio::test]
async fn a_range_that_cannot_be_used_is_said_on_the_page() {
    let (_gateway, browser) = gateway().await;
    for (query, problem) in [
        ("from=never", "`never` is not a time"),
        ("from=1h&to=2h", "The range ends before it begins"),
        ("by=minute", "Rows are divided by hour, day or month"),
        ("from=2020-01-01&to=2026-01-01", "A page shows at most 93 days"),
    ] {
        browser.page(&format!("/reports/summary?{query}")).await.shows(problem);
    }
    let evil = browser.page("/reports/summary?from=%3Cscript%3E%22&by=%22%3E%3Cscript%3E").await;
    assert!(evil.text().contains("&lt;script&gt;"));
}

#[tokio::test]
async fn an_export_is_a_file_for_the_one_who_asked_and_is_recorded() {
    let (gateway, _) = gateway().await;
    let (anna, ben) = (user(&gateway, "anna", &["operator"]).await, user(&gateway, "ben", &["operator"]).await);
    two_codes(&gateway).await;
    let day = gateway.now().to_jiff().strftime("%F").to_string();
    until(&anna, &format!("/reports/summary?from={day}T00:00:00Z&to={day}T23:59:59Z"), "otp 1").await;
    let (from, to) = (format!("{day}T00:00:00Z"), format!("{day}T23:59:59Z"));

    for (report, format, expected) in [
        ("summary", "csv", "\u{feff}"),
        ("providers", "csv-raw", "channel,provider,country"),
        ("deliveries", "json", "{"),
        ("costs", "xlsx", "PK"),
    ] {
        let fields = [("from", from.as_str()), ("to", &to), ("by", ""), ("format", format)];
        let file = exported(&anna, &format!("/reports/{report}/export"), &fields).await;
        assert!(file.text().starts_with(expected), "{report}: {:?}", file.text().get(..80));
        assert!(file.header("content-disposition").starts_with("attachment; filename=\""), "{report}");
        assert_eq!(file.header("x-content-type-options"), "nosniff");
    }

    let list = anna.page("/reports").await;
    list.shows("Report summary from").shows("ready,");
    let id = list.text().split("/exports/").nth(1).and_then(|rest| rest.get(..36)).unwrap().to_owned();
    anna.page(&format!("/exports/{id}")).await.shows("The file is ready");
    for path in [format!("/exports/{id}"), format!("/exports/{id}/file"), format!("/exports/{id}/state")] {
        assert_eq!(ben.get(&path).await.status, 404, "{path}");
    }

    let audit = gateway.files.audit().await;
    let exports: Vec<_> = audit.iter().filter(|it| it.0 == "report_exported").map(|it| &it.1["report"]).collect();
    assert_eq!(exports, ["summary", "providers", "deliveries", "costs"]);
}

#[tokio::test]
async fn an_export_survives_a_restart_for_the_one_who_asked() {
    let (gateway, _) = gateway().await;
    let anna = console::Browser::of(&gateway, "anna", &[Role::Operator]).await;
    let ben = console::Browser::of(&gateway, "ben", &[Role::Operator]).await;
    let fields = [("from", "1d"), ("to", "now"), ("by", ""), ("format", "csv")];
    let asked = anna.post("/reports/summary/export", &fields).await;
    assert!(matches!(asked.status, 200 | 303), "{}", asked.body);
    let file = loop {
        let list = anna.page("/reports").await;
        let id = list.split("/exports/").nth(1).and_then(|rest| rest.get(..36)).unwrap().to_owned();
        if list.contains("ready,") {
            break format!("/exports/{id}/file");
        }
    };
    let before = anna.get(&file).await.expect_status(200).body;

    let gateway = gateway.restart().await;

    let get = async |of: &console::Browser, path: &str| {
        let request = Request::get(path).header("Cookie", &of.cookie);
        request.send(gateway.console_address()).await
    };
    assert_eq!(get(&anna, &file).await.expect_status(200).body, before);
    assert!(get(&anna, "/reports").await.body.contains("ready,"));
    get(&ben, &file).await.expect_status(404);
    gateway.clock.move_on(Duration::from_mins(29));
    get(&anna, "/reports").await.expect_status(200);
    gateway.clock.move_on(Duration::from_mins(29));
    get(&anna, "/reports").await.expect_status(200);
    gateway.clock.move_on(Duration::from_mins(3));
    get(&anna, &file).await.expect_status(404);
    let left = std::fs::read_dir(gateway.files.path("exports")).unwrap().count();
    assert_eq!(left, 0, "files of an hour ago");
}

#[tokio::test]
async fn only_some_roles_export() {
    let (gateway, _) = gateway().await;
    for role in ["viewer", "support", "author", "approver"] {
        let browser = signed_in(&gateway, &[role]).await;
        assert!(!browser.page("/reports/summary").await.words().contains("Export"), "{role}");
        let fields = [("from", "today"), ("to", "now"), ("format", "csv")];
        assert_eq!(browser.post("/reports/summary/export", &fields).await.status, 403, "{role}");
    }
    let operator = signed_in(&gateway, &["operator"]).await;
    for fields in
        [[("from", "never"), ("to", "now"), ("format", "csv")], [("from", "1h"), ("to", "now"), ("format", "pdf")]]
    {
        assert_eq!(operator.post("/reports/summary/export", &fields).await.status, 422);
    }
    assert_eq!(signed_in(&gateway, &["admin"]).await.get("/reports").await.status, 403);
    assert!(gateway.files.audit().await.iter().all(|it| it.0 != "report_exported"));
}
