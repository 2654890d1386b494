//! Every operation with a token of every role: it is refused exactly when the table of roles says so, whatever it is about.

use std::collections::BTreeSet;

use otpost::console::api_description;
use otpost::domain::access::{Action, Role};
use serde_json::{Value, json};
use strum::IntoEnumIterator;

use super::{NO_ID, gateway, recorded};
use crate::support::api::{PREFIX, Program, json as request};
use crate::support::console::Request;

/// Method, path, a body that can be read, and what is needed.
fn operations() -> Vec<(&'static str, &'static str, Value, Action)> {
    let reason = || json!({ "reason": "because" });
    vec![
        ("GET", "/overview", Value::Null, Action::ViewOverview),
        ("GET", "/deliveries", Value::Null, Action::ViewDeliveries),
        ("POST", "/deliveries/search", json!({}), Action::ViewDeliveries),
        ("GET", "/deliveries/{id}", Value::Null, Action::ViewDeliveries),
        ("POST", "/deliveries/{id}/resend", reason(), Action::ResendDelivery),
        ("POST", "/deliveries/{id}/dossier", json!({ "format": "json" }), Action::MakeDossier),
        (
            "PUT",
            "/recipients",
            json!({ "recipient": "c-1", "locale": "pl", "identifiers": { "user": ["u-1"] } }),
            Action::ImportRecipients,
        ),
        ("POST", "/recipients/find", json!({ "q": "storage_customer:1337" }), Action::ViewRecipients),
        ("POST", "/recipients/import", Value::Null, Action::ImportRecipients),
        ("GET", "/recipients/{id}", Value::Null, Action::ViewRecipients),
        ("POST", "/recipients/{id}/reveal", reason(), Action::RevealContact),
        ("POST", "/recipients/{id}/export", json!({}), Action::ExportRecipient),
        ("POST", "/recipients/{id}/erase", reason(), Action::EraseRecipient),
        ("GET", "/templates", Value::Null, Action::ViewTemplates),
        ("GET", "/templates/texts", Value::Null, Action::ViewTemplates),
        ("GET", "/templates/texts/{path}", Value::Null, Action::ViewTemplates),
        (
            "PUT",
            "/templates/drafts",
            json!({ "path": "pl/otp/sms.hbs", "text": "x", "base": "" }),
            Action::EditTemplates,
        ),
        ("POST", "/templates/restore", json!({ "seq": 1 }), Action::EditTemplates),
        ("GET", "/templates/changes", Value::Null, Action::ViewTemplates),
        ("GET", "/templates/changes/{id}", Value::Null, Action::ViewTemplates),
        ("POST", "/templates/changes/{id}/{step}", json!({}), Action::EditTemplates),
        ("GET", "/providers", Value::Null, Action::ViewProviders),
        ("POST", "/providers/drain", json!({ "name": "none", "reason": "because" }), Action::OperateProviders),
        ("POST", "/providers/enable", json!({ "name": "none", "reason": "because" }), Action::OperateProviders),
        (
            "POST",
            "/routes/explain",
            json!({ "kind": "otp", "recipient": "storage_customer:1337" }),
            Action::ExplainRoute,
        ),
        ("GET", "/reports/{name}", Value::Null, Action::ViewReports),
        ("GET", "/audit/events", Value::Null, Action::ViewAudit),
        ("GET", "/audit/state", Value::Null, Action::ViewAudit),
        (
            "POST",
            "/exports/reports",
            json!({ "report": "summary", "from": "today", "format": "csv" }),
            Action::ExportReports,
        ),
        ("GET", "/exports/reports/{id}", Value::Null, Action::ExportReports),
        ("GET", "/exports/reports/{id}/file", Value::Null, Action::ExportReports),
        ("POST", "/exports/audit", json!({ "from": "today" }), Action::ExportAudit),
        ("GET", "/exports/audit/{id}", Value::Null, Action::ExportAudit),
        ("GET", "/exports/audit/{id}/file", Value::Null, Action::ExportAudit),
    ]
}

/// The steps of a review, and what each needs.
const STEPS: [(&str, Action); 8] = [
    ("submit", Action::EditTemplates),
    ("withdraw", Action::EditTemplates),
    ("drop", Action::EditTemplates),
    ("approve", Action::ApproveTemplates),
    ("reject", Action::ApproveTemplates),
    ("publish", Action::PublishTemplates),
    ("schedule", Action::PublishTemplates),
    ("emergency", Action::PublishUnapproved),
];

fn path(template: &str) -> String {
    let id = if template.contains("changes") { "1" } else { NO_ID };
    let path = template.replace("{id}", id).replace("{step}", "submit").replace("{name}", "summary");
    path.replace("{path}", "pl/otp/sms.hbs")
}

#[test]
fn the_table_has_every_operation_that_is_described() {
    let description = serde_json::to_value(api_description()).unwrap();
    let described: BTreeSet<_> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();

    let table: BTreeSet<_> =
        operations().into_iter().map(|(method, path, ..)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(table, described);
}

#[tokio::test]
async fn a_token_may_do_exactly_what_its_role_may() {
    let gateway = gateway().await;
    for role in Role::iter() {
        let program = Program::of(&gateway, &[role]).await;
        let mut denied = 0;
        let steps = STEPS.map(|(step, action)| ("POST", format!("/templates/changes/1/{step}"), json!({}), action));
        let all = operations().into_iter().map(|(method, at, body, action)| (method, path(at), body, action));
        for (method, path, body, action) in all.chain(steps) {
            let answer = match method {
                "GET" => program.get(&path).await,
                _ if path.ends_with("/import") => {
                    let request = Request::of("POST", &format!("{PREFIX}{path}")).header("Content-Type", "text/csv");
                    program.send(request.body("recipient,locale,user\n")).await
                }
                method => program.send(request(method, &path, &body)).await,
            };
            let what = format!("{method} {path} as {}", role.name());
            assert_eq!(answer.status == 403, !role.may(action), "{what}: {} {}", answer.status, answer.body);
            assert!(answer.status < 500, "{what}: {}", answer.body);
            if answer.status == 403 {
                answer.expect_problem(403, "forbidden");
                denied += 1;
            }
        }
        let actor = format!("token:{}", program.name);
        let events = recorded(&gateway, "access_denied").await;
        assert_eq!(events.iter().filter(|event| event.0 == actor).count(), denied, "{}", role.name());
    }
}
