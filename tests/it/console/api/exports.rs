//! Files that programs ask for: reports of any format and parts of the audit log, with tokens and with commands.

use std::time::Duration;

use otpost::audit::bundle;
use otpost::domain::access::Role;
use serde_json::json;

use super::command_line::there;
use super::{gateway, recorded};
use crate::support::api::Program;
use crate::support::{Gateway, otp};

#[tokio::test]
async fn a_report_is_given_as_a_file_to_the_user_of_the_token_alone() {
    let gateway = gateway().await;
    gateway.post(&otp().code("73915046")).await.expect_status(204);
    gateway.drain().await;
    let (anna, ben) = (Program::of(&gateway, &[Role::Operator]).await, Program::of(&gateway, &[Role::Operator]).await);

    let order = json!({ "report": "deliveries", "from": "1d", "format": "csv", "delimiter": ";", "bom": true });
    let mut export = anna.post("/exports/reports", &order).await.expect_status(202).json();
    let path = format!("/exports/reports/{}", export["id"].as_str().unwrap());
    while export["state"] == "preparing" {
        export = anna.get(&path).await.expect_status(200).json();
    }
    assert_eq!(export["state"], "ready", "{export}");
    let file = anna.get(&format!("{path}/file")).await.expect_status(200);

    assert!(file.body.starts_with('\u{feff}') && file.body.contains("delivery;attempt;received_at;"), "{}", file.body);
    assert!(!file.body.contains("73915046") && !file.body.contains("+48600100200"), "{}", file.body);
    assert_eq!(file.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(export["bytes"], file.body.len());
    for path in [path.clone(), format!("{path}/file")] {
        ben.get(&path).await.expect_problem(404, "not_found");
    }
    let events = recorded(&gateway, "report_exported").await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].0.as_str(), &events[0].1["report"]),
        (&*format!("token:{}", anna.name), &json!("deliveries"))
    );
}

#[tokio::test]
async fn what_cannot_be_exported_is_named() {
    let gateway = gateway().await;
    let program = Program::of(&gateway, &[Role::Operator, Role::Security]).await;
    let whole = json!({ "report": "summary", "from": "1d", "format": "csv" });
    for (field, value) in [
        ("report", json!("everything")),
        ("from", json!("soon")),
        ("to", json!("2d")),
        ("by", json!("week")),
        ("zone", json!("Atlantis")),
        ("format", json!("doc")),
        ("delimiter", json!("a")),
    ] {
        let mut order = whole.clone();
        order[field] = value;
        let problem = program.post("/exports/reports", &order).await.expect_problem(422, "invalid_field");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    let order = json!({ "report": "deliveries", "from": "1d", "format": "csv", "by": "day" });
    program.post("/exports/reports", &order).await.expect_problem(422, "invalid_field");
    // Nothing of that time is signed.
    let order = json!({ "from": "2020-01-01", "to": "2020-01-02" });
    program.post("/exports/audit", &order).await.expect_problem(422, "invalid_field");
}

/// Lets time pass until every event is signed.
async fn signed(gateway: &Gateway, program: &Program) {
    loop {
        let state = program.get("/audit/state").await.expect_status(200).json();
        if state["waiting"] == 0 {
            break;
        }
        gateway.clock.move_on(Duration::from_secs(15));
        tokio::task::yield_now().await;
    }
    // A range ends before its last moment, and this clock stands still.
    gateway.clock.move_on(Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_fetch_spreadsheets_and_bundles_that_are_whole() {
    let gateway = gateway().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;
    let program = Program::of(&gateway, &[Role::Operator, Role::Security]).await;
    signed(&gateway, &program).await;
    let (sheet, folder) = (gateway.files.path("deliveries.xlsx"), gateway.files.path("november"));

    let report = format!("report deliveries --from 7d --format xlsx --out {}", sheet.display());
    let audit = format!("audit export --from 2020-01-01 --to 2099-01-01 {}", folder.display());
    let (reported, exported) = (there(&gateway, &program, &report).await, there(&gateway, &program, &audit).await);

    assert_eq!((reported.code, exported.code), (0, 0), "{}{}", reported.err, exported.err);
    assert!(exported.out.contains("verify it with: otpost audit verify"), "{}", exported.out);
    assert_eq!(&std::fs::read(&sheet).unwrap()[..2], b"PK");
    let verified = bundle::verify(&folder, None, &[], |_, _| ()).unwrap();
    assert!(verified.events > 2, "{verified:?}");

    let (again, twice) = (there(&gateway, &program, &report).await, there(&gateway, &program, &audit).await);
    assert_eq!((again.code, twice.code), (2, 2));
    assert!(again.err.contains("exists") && twice.err.contains("exists"), "{}{}", again.err, twice.err);
    let bare = there(&gateway, &program, "report costs --from 7d --format xlsx").await;
    assert_eq!((bare.code, bare.err.trim()), (2, "otpost: --format xlsx writes a file: name it with --out FILE"));
}
