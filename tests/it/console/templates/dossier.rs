//! What a dossier says of who wrote, approved and published the template of a message.

use serde_json::{Value, json};

use super::{APPROVER, Browser, NEW, OPERATOR, approved, gateway, next_message, submitted};
use crate::support::Gateway;

/// The dossier of the newest delivery, and what it says of its template.
async fn dossier(gateway: &Gateway, browser: &Browser) -> (Value, Value) {
    let path = format!("/deliveries/{}/dossier", gateway.last().await.line.id);
    let made = browser.post(&path, &[("format", "json")]).await;
    assert_eq!(made.status, 200, "{}", made.html);
    let whole: Value = serde_json::from_str(&made.html).unwrap();
    let delivery = whole["deliveries"][0].clone();
    let approval = delivery["messages"][0]["approval"].clone();
    (delivery, approval)
}

#[tokio::test]
async fn a_dossier_names_the_approver_of_the_text_that_was_sent_and_not_of_a_later_one() {
    let gateway = gateway("emergency_publish = true").await;
    let browser = Browser::of(&gateway).await;
    next_message(&gateway).await;
    assert_eq!(dossier(&gateway, &browser).await.1, Value::Null, "the text of the folder");

    let id = approved(&gateway, NEW).await;
    gateway.templates().publish(APPROVER, id).await.unwrap();
    next_message(&gateway).await;
    let (_, approval) = dossier(&gateway, &browser).await;
    assert_eq!(
        (&approval["change"], &approval["authors"], &approval["approved_by"], &approval["published_by"]),
        (&json!(id), &json!(["author"]), &json!("approver"), &json!("approver")),
        "{approval}"
    );
    let event = &approval["event"];
    assert_eq!((&event["kind"], &event["actor"]), (&json!("template_change_published"), &json!("user:approver")));
    assert_eq!((&event["detail"]["change"], &event["detail"]["reviewer"]), (&json!(id), &json!("approver")));

    let urgent = submitted(&gateway, "URGENT {{otp}} {{amount}} {{merchant}} {{brand}}\n").await;
    let (before, _) = dossier(&gateway, &browser).await;
    gateway.templates().publish_unapproved(OPERATOR, urgent, "a link was wrong").await.unwrap();
    let (later, approval) = dossier(&gateway, &browser).await;
    assert_eq!(approval["change"], json!(id), "of the text that was sent: {approval}");
    let looks = |of: &Value| of["events"].as_array().unwrap().iter().filter(|it| it["kind"] == "dossier_made").count();
    assert_eq!((looks(&before), looks(&later)), (1, 2), "users of the console look at it, too");
    next_message(&gateway).await;
    let (_, approval) = dossier(&gateway, &browser).await;
    assert_eq!((&approval["approved_by"], &approval["published_by"]), (&Value::Null, &json!("operator")), "{approval}");

    let path = format!("/deliveries/{}/dossier", gateway.last().await.line.id);
    let page = browser.post(&path, &[("format", "html")]).await.html;
    assert!(page.contains("brak; opublikowano bez zatwierdzenia") && page.contains("operator ("), "{page}");
    assert!(page.contains("user: "), "who looked at it: {page}");
}
