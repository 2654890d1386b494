//! Publishing at a time, by one process or another, and after a restart.

use std::time::{Duration, Instant};

use otpost::domain::template_change::{ChangeError, ChangeState};
use otpost::flow::template_publishing::Error;

use super::{APPROVER, AUTHOR, NEW, SMS, approved, base, content, gateway, next_message, path};
use crate::support::Gateway;

/// Longer than anything here takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(1);

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn state(gateway: &Gateway, id: i64) -> ChangeState {
    gateway.store().template_changes().change(id).await.unwrap().unwrap().state
}

#[tokio::test]
async fn a_scheduled_change_goes_live_at_its_time() {
    let gateway = gateway("").await;
    let (templates, id) = (gateway.templates(), approved(&gateway, NEW).await);
    let past = templates.schedule(APPROVER, id, gateway.now()).await;
    assert!(matches!(past, Err(Error::Change(ChangeError::Input(_)))), "{past:?}");
    templates.schedule(APPROVER, id, gateway.now().after(Duration::from_hours(1))).await.unwrap();
    assert!(!next_message(&gateway).await.starts_with("NEW"));

    gateway.clock.move_on(Duration::from_hours(1));

    until("published", async || state(&gateway, id).await == ChangeState::Published).await;
    assert!(next_message(&gateway).await.starts_with("NEW TEXT"));
}

#[tokio::test]
async fn a_scheduled_change_that_cannot_be_published_goes_back_to_the_reviewers() {
    let gateway = gateway("").await;
    let (templates, id) = (gateway.templates(), approved(&gateway, NEW).await);
    templates.schedule(APPROVER, id, gateway.now().after(Duration::from_hours(1))).await.unwrap();
    let fast = approved(&gateway, &NEW.replace("NEW", "FAST")).await;
    templates.publish(APPROVER, fast).await.unwrap();

    gateway.clock.move_on(Duration::from_hours(1));

    until("returned", async || state(&gateway, id).await == ChangeState::Submitted).await;
    let change = gateway.store().template_changes().change(id).await.unwrap().unwrap();
    assert!(change.problem.unwrap().contains(SMS) && change.reviewer.is_none());
    assert!(next_message(&gateway).await.starts_with("FAST TEXT"));
    let events = gateway.files.audit().await;
    let (_, detail) = events.iter().find(|(kind, _)| kind == "template_publish_failed").unwrap();
    assert_eq!(detail["change"], id);
}

#[tokio::test]
async fn published_texts_outlive_a_restart_and_the_folder_is_not_read_again() {
    let gateway = gateway("").await;
    let id = approved(&gateway, NEW).await;
    gateway.templates().publish(APPROVER, id).await.unwrap();
    gateway.files.replace("templates/pl/otp/sms.hbs", "FOLDER {{otp}} {{amount}} {{merchant}}");

    let gateway = gateway.crash().await;
    assert!(next_message(&gateway).await.starts_with("NEW TEXT"));
    let gateway = gateway.restart().await;

    assert!(next_message(&gateway).await.starts_with("NEW TEXT"));
}

#[tokio::test]
async fn what_another_process_publishes_is_live_within_a_look() {
    let gateway = gateway("").await;
    let mut change = {
        let id = approved(&gateway, NEW).await;
        gateway.store().template_changes().change(id).await.unwrap().unwrap()
    };
    change.publish("approver", gateway.now()).unwrap();
    let last = gateway.store().template_changes().last_text().await.unwrap();
    let event = otpost::domain::audit_event::AuditEvent::gateway(
        otpost::domain::audit_event::AuditKind::TemplateChangePublished,
        gateway.now(),
    );
    let active = gateway.store().template_versions().active().await.unwrap();

    assert!(gateway.store().publish_change(&change, last, &active, event).await.unwrap().is_some());

    until("live", async || next_message(&gateway).await.starts_with("NEW TEXT")).await;
}

#[tokio::test]
async fn several_texts_are_published_as_one() {
    let gateway = gateway("").await;
    let (templates, english) = (gateway.templates(), path("en/otp/sms.hbs"));
    let id = super::drafted(&gateway, NEW).await;
    let text = Some("ENGLISH {{otp}} {{amount}} {{merchant}}".to_owned());
    templates.save_draft(AUTHOR, Some(id), &english, text, base(&gateway, "en/otp/sms.hbs")).await.unwrap();
    templates.submit(AUTHOR, id, "both").await.unwrap();
    templates.approve(APPROVER, id, &content(&gateway, id).await, "").await.unwrap();

    templates.publish(APPROVER, id).await.unwrap();

    let live = templates.live_set();
    assert!(live.text(&english).unwrap().starts_with("ENGLISH") && live.text(&path(SMS)).unwrap().starts_with("NEW"));
    let events = gateway.files.audit().await;
    assert_eq!(events.iter().filter(|(kind, _)| kind == "template_change_published").count(), 1);
}
