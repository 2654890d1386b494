//! Four eyes: who may take which step, and what an edit or a moved text does to an approval.

use otpost::domain::template_change::{ChangeError, ChangeState};
use otpost::flow::template_publishing::Error;

use super::{
    APPROVER, AUTHOR, BOTH, Browser, NEW, OPERATOR, SMS, approved, base, content, drafted, gateway, next_message, path,
    submitted,
};

#[tokio::test]
async fn an_author_and_an_approver_change_a_polish_text_and_the_next_message_has_it_until_it_is_rolled_back() {
    let gateway = gateway("").await;
    let (browser, old) = (Browser::of(&gateway).await, next_message(&gateway).await);

    let editor = browser.get("/templates/text/pl/otp/sms.hbs").await;
    let fields = [("base", &*editor.field("base")), ("text", &NEW.replace('\n', "\r\n")), ("do", "save")];
    let saved = browser.post("/templates/text/pl/otp/sms.hbs", &fields).await;
    assert_eq!((saved.status.as_u16(), &*saved.location), (303, "/templates/changes/1?done=saved"), "{}", saved.html);
    let submitted = browser.post("/templates/changes/1/submit", &[("note", "shorter & clearer")]).await;
    assert_eq!(submitted.location, "/templates/changes/1?done=submitted");
    assert_eq!(browser.post("/templates/changes/1/approve", &[]).await.status, 403, "the author");
    let page = browser.get("/templates/changes/1").await;
    assert!(page.html.contains("another user must approve it") && page.html.contains("shorter &amp; clearer"));
    let shown = content(&gateway, 1).await;
    gateway.templates().approve(APPROVER, 1, &shown, "good").await.unwrap();
    assert_eq!(next_message(&gateway).await, old, "approved is not yet live");
    let published = browser.post("/templates/changes/1/publish", &[]).await;

    assert_eq!(published.location, "/templates/changes/1?done=published");
    assert!(next_message(&gateway).await.starts_with("NEW TEXT 48151623"));
    let page = browser.get("/templates/changes/1").await.html;
    assert!(page.contains("Approved by") && page.contains("approver,") && page.contains("good"), "{page}");
    let history = browser.get("/templates/text/pl/otp/sms.hbs").await;
    assert!(history.html.contains("shorter &amp; clearer") && history.html.contains("Bring back"));
    let version = gateway.last().await.attempts[0].template_version.unwrap();
    let version = browser.get(&format!("/templates/versions/{version}")).await;
    assert!(version.html.contains("NEW TEXT {{otp}}"), "{}", version.html);

    let restored = browser.post("/templates/restore", &[("seq", &*history.field("seq"))]).await;
    assert_eq!(restored.location, "/templates/changes/2?done=restored");
    browser.post("/templates/changes/2/submit", &[("note", "back")]).await;
    let shown = content(&gateway, 2).await;
    gateway.templates().approve(APPROVER, 2, &shown, "").await.unwrap();
    gateway.templates().publish(APPROVER, 2).await.unwrap();
    assert_eq!(next_message(&gateway).await, old);

    let events = gateway.files.audit().await;
    let (_, detail) = events.iter().find(|(kind, _)| kind == "template_change_published").unwrap();
    assert_eq!((&detail["authors"][0], &detail["reviewer"]), (&browser.user().into(), &"approver".into()));
    assert_eq!(detail["reason"], "shorter & clearer");
    assert!(detail["texts"][SMS].as_str().unwrap().len() == 64 && detail["content"].as_str().unwrap().len() == 64);
    assert!(events.iter().any(|(kind, _)| kind == "template_approval_denied"));
    assert!(events.iter().any(|(kind, _)| kind == "templates_activated"));
}

#[tokio::test]
async fn an_author_cannot_approve_even_with_both_roles_and_a_change_is_approved_once() {
    let gateway = gateway("").await;
    let templates = gateway.templates();
    let base = base(&gateway, SMS);
    let id = templates.save_draft(BOTH, None, &path(SMS), Some(NEW.to_owned()), base).await.unwrap();
    templates.submit(BOTH, id, "shorter").await.unwrap();
    let shown = content(&gateway, id).await;

    let own = templates.approve(BOTH, id, &shown, "").await;
    assert!(matches!(own, Err(Error::Change(ChangeError::OwnChange(1)))), "{own:?}");
    for (by, step) in [(AUTHOR, "author"), (OPERATOR, "operator")] {
        let refused = templates.approve(by, id, &shown, "").await;
        assert!(matches!(refused, Err(Error::Forbidden(_))), "{step}: {refused:?}");
    }
    templates.approve(APPROVER, id, &shown, "").await.unwrap();
    let twice = templates.approve(APPROVER, id, &shown, "").await;
    assert!(matches!(twice, Err(Error::Change(ChangeError::State { .. }))), "{twice:?}");
    assert!(matches!(templates.publish(AUTHOR, id).await, Err(Error::Forbidden(_))));
    assert!(matches!(templates.save_draft(APPROVER, None, &path(SMS), None, base).await, Err(Error::Forbidden(_))));
}

#[tokio::test]
async fn an_edit_after_the_approval_needs_a_new_one() {
    let gateway = gateway("").await;
    let (templates, id) = (gateway.templates(), approved(&gateway, NEW).await);
    let seen = content(&gateway, id).await;

    let other = NEW.replace("NEW", "OTHER");
    templates.save_draft(AUTHOR, Some(id), &path(SMS), Some(other), base(&gateway, SMS)).await.unwrap();

    let unapproved = templates.publish(APPROVER, id).await;
    assert!(matches!(unapproved, Err(Error::Change(ChangeError::State { .. }))), "{unapproved:?}");
    templates.submit(AUTHOR, id, "other").await.unwrap();
    let edited = templates.approve(APPROVER, id, &seen, "").await;
    assert!(matches!(edited, Err(Error::Change(ChangeError::Edited(_)))), "{edited:?}");
    let page =
        Browser::of(&gateway).await.post(&format!("/templates/changes/{id}/approve"), &[("content", &seen)]).await;
    assert_eq!(page.status, 409);
}

#[tokio::test]
async fn a_change_whose_live_text_has_changed_is_not_published_before_it_was_compared() {
    let gateway = gateway("").await;
    let templates = gateway.templates();
    let (slow, stale) = (approved(&gateway, NEW).await, base(&gateway, SMS));
    let fast = approved(&gateway, &NEW.replace("NEW", "FAST")).await;
    templates.publish(APPROVER, fast).await.unwrap();

    let moved = templates.publish(APPROVER, slow).await;
    assert!(matches!(&moved, Err(Error::Conflict(text)) if text.contains(SMS)), "{moved:?}");
    let stale = templates.save_draft(AUTHOR, Some(slow), &path(SMS), Some(NEW.to_owned()), stale).await;
    assert!(matches!(stale, Err(Error::Conflict(_))), "{stale:?}");
    let page = Browser::of(&gateway).await.get(&format!("/templates/changes/{slow}")).await;
    assert!(page.html.contains("What has changed in the live text since"), "{}", page.html);
    assert!(next_message(&gateway).await.starts_with("FAST TEXT"));

    templates.save_draft(AUTHOR, Some(slow), &path(SMS), Some(NEW.to_owned()), base(&gateway, SMS)).await.unwrap();
    templates.submit(AUTHOR, slow, "again").await.unwrap();
    templates.approve(APPROVER, slow, &content(&gateway, slow).await, "").await.unwrap();
    templates.publish(APPROVER, slow).await.unwrap();
    assert!(next_message(&gateway).await.starts_with("NEW TEXT"));
}

#[tokio::test]
async fn a_rejected_change_goes_on_after_an_edit_and_a_withdrawn_one_does_not() {
    let gateway = gateway("").await;
    let (templates, id) = (gateway.templates(), submitted(&gateway, NEW).await);

    assert!(matches!(templates.reject(APPROVER, id, " ").await, Err(Error::Change(ChangeError::Input(_)))));
    templates.reject(APPROVER, id, "name the amount first").await.unwrap();
    let again = NEW.replace("NEW", "SECOND");
    templates.save_draft(AUTHOR, Some(id), &path(SMS), Some(again), base(&gateway, SMS)).await.unwrap();
    templates.withdraw(AUTHOR, id).await.unwrap();

    let change = gateway.store().template_changes().change(id).await.unwrap().unwrap();
    assert_eq!(change.state, ChangeState::Withdrawn);
    let late = templates.save_draft(AUTHOR, Some(id), &path(SMS), Some(NEW.to_owned()), base(&gateway, SMS)).await;
    assert!(matches!(late, Err(Error::Change(ChangeError::State { .. }))), "{late:?}");
}

#[tokio::test]
async fn without_an_approval_a_change_is_published_only_if_configured_with_a_reason_and_under_an_alarm() {
    let careful = gateway("").await;
    let id = drafted(&careful, NEW).await;
    assert!(matches!(careful.templates().publish_unapproved(OPERATOR, id, "now").await, Err(Error::NoEmergency)));

    let gateway = gateway("emergency_publish = true").await;
    let (templates, id) = (gateway.templates(), submitted(&gateway, NEW).await);
    assert!(matches!(templates.publish_unapproved(APPROVER, id, "now").await, Err(Error::Forbidden(_))));
    assert!(matches!(templates.publish_unapproved(OPERATOR, id, "").await, Err(Error::Change(ChangeError::Input(_)))));
    templates.publish_unapproved(OPERATOR, id, "a wrong phone number is live").await.unwrap();

    assert!(next_message(&gateway).await.starts_with("NEW TEXT"));
    let page = Browser::of(&gateway).await.get(&format!("/templates/changes/{id}")).await.html;
    assert!(page.contains("live without approval") && page.contains("a wrong phone number is live"), "{page}");
    let shown = content(&gateway, id).await;
    templates.approve(APPROVER, id, &shown, "seen afterwards").await.unwrap();
    let waiting = gateway.store().template_changes().waiting_changes().await.unwrap();
    assert!(waiting.is_empty());
}

#[tokio::test]
async fn with_templates_from_files_nothing_is_edited_and_the_page_says_how_to_switch() {
    let gateway = crate::support::Setup::new().more(crate::support::console::CONSOLE).start().await;
    let browser = Browser::of(&gateway).await;

    let editor = browser.get("/templates/text/pl/otp/sms.hbs").await;
    assert!(editor.html.contains("shown here only") && editor.html.contains("readonly"), "{}", editor.html);
    let fields = [("base", &*editor.field("base")), ("text", NEW), ("do", "save")];
    let saved = browser.post("/templates/text/pl/otp/sms.hbs", &fields).await;

    assert!(saved.status == 409 && saved.html.contains("restart the gateway"), "{}", saved.html);
    assert_eq!(browser.get("/templates").await.status, 200);
}
