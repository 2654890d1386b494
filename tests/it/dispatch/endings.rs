//! How deliveries end that no provider accepts.

use std::time::Duration;

use otpost::app::Parts;
use otpost::domain::contact::Channel;
use otpost::domain::outcome::Cause;
use otpost::domain::recipient::RecipientStatus;

use crate::support::{Gateway, Setup, locked, otp, recipient, unlocked};

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("holder").customer("1337").phone("+48600100200")]).await;
    gateway.sms("primary").answers(503);
    gateway.sms("backup").answers(503);

    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;
    gateway.sms("primary").recovers();
    gateway.wait(Duration::from_mins(5)).await;

    assert_eq!(gateway.received(), 0);
    let last = gateway.last().await;
    assert_eq!((last.line.state.as_str(), last.line.end_reason.as_deref()), ("expired", Some("deadline_passed")));
}

#[tokio::test]
async fn retries_end_with_the_deadline_and_not_later() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("holder").customer("1337").phone("+48600100200")]).await;
    gateway.sms("primary").answers(503);
    gateway.sms("backup").answers(503);

    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;

    let last = gateway.last().await;
    assert!(last.line.ended_at.unwrap() <= last.line.expires_at);
    // The last pauses are short again; the longest of a code is ten seconds.
    let latest = last.attempts.last().unwrap().started_at;
    assert!(last.line.expires_at.since(latest) < Duration::from_secs(10), "{:?}", last.attempts.last());
    assert!(last.attempts.len() > 24 && last.attempts.len() <= 150, "{}", last.attempts.len());
    assert_eq!(last.line.state, "expired");
}

#[tokio::test]
async fn a_message_that_may_have_arrived_ends_as_unconfirmed() {
    let gateway = Setup::new().timeout("300ms").start().await;
    gateway.knows([recipient("holder").customer("1337").phone("+48600100200")]).await;
    gateway.sms("primary").swallows();
    gateway.sms("backup").swallows();

    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;

    let last = gateway.last().await;
    assert_eq!(last.line.state, "unconfirmed");
    // Two equal messages are better than none; four for each candidate are not.
    assert_eq!(gateway.sms("primary").swallowed() + gateway.sms("backup").swallowed(), 4);
    assert!(last.attempts.iter().all(|attempt| attempt.outcome.cause() == Some(Cause::TimedOut)));
}

#[tokio::test]
async fn a_permanently_rejected_number_is_not_tried_again() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("holder").customer("1337").phone("+48600100200")]).await;
    gateway.sms("primary").answers(413);
    gateway.sms("backup").answers(413);

    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;

    let last = gateway.last().await;
    assert_eq!((last.line.state.as_str(), last.line.end_reason.as_deref()), ("undeliverable", Some("all_rejected")));
    assert!(last.attempts.len() <= 2, "{}", last.attempts.len());
}

#[tokio::test]
async fn a_card_lock_older_than_a_day_is_stored_and_not_sent() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("holder").card("11").phone("+48600100200")]).await;
    let old = gateway.now().before(Duration::from_hours(25));

    for notice in [locked(old), unlocked(old)] {
        gateway.post(&notice).await.expect_status(204);
        gateway.drain().await;
        let last = gateway.last().await;
        assert_eq!((last.line.state.as_str(), last.line.end_reason.as_deref()), ("not_sent", Some("stale")));
        assert!(last.line.warnings.unwrap().contains("older than a day"));
    }

    assert_eq!(gateway.received(), 0);
}

#[tokio::test]
async fn a_recipient_that_cannot_or_must_not_be_notified_ends_with_the_reason() {
    let gateway = Gateway::start().await;
    gateway
        .knows([
            recipient("without a phone").customer("2").mailbox("reader@example.org"),
            recipient("without anything").customer("3"),
            recipient("blocked").customer("4").phone("+48600100204").status(RecipientStatus::Blocked),
            recipient("dead").customer("5").phone("+48600100205").status(RecipientStatus::Deceased),
            recipient("agreed to nothing usable").customer("6").phone("+48600100206").agrees_to(&[Channel::Push]),
            recipient("neither contact nor consent").customer("7").agrees_to(&[Channel::Email]),
            recipient("shares a number").customer("8").phone("+48600100207"),
            recipient("shares it, too").customer("8").phone("+48600100208"),
        ])
        .await;

    let expected = [
        ("1", "unknown_recipient"),
        ("2", "no_contact"),
        ("3", "no_contact"),
        ("4", "suppressed"),
        ("5", "suppressed"),
        ("6", "not_agreed"),
        ("7", "no_contact"),
        ("8", "ambiguous_recipient"),
    ];
    for (customer, reason) in expected {
        gateway.post(&otp().customer(customer).without("storageCardId")).await.expect_status(204);
        gateway.drain().await;
        let line = gateway.last().await.line;
        assert_eq!((line.state.as_str(), line.end_reason.as_deref()), ("undeliverable", Some(reason)), "{customer}");
    }

    assert_eq!(gateway.received(), 0);
}

#[tokio::test]
async fn an_invalid_phone_number_is_never_imported() {
    use otpost::domain::contact::{Channel, Contact};

    for bad in ["600100200", "+48", "+48 600 100 200", "+00600100200", "tel:+48600100200"] {
        assert!(Contact::parse(Channel::Sms, bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn an_otp_by_email_is_rejected_until_the_configuration_allows_it() {
    let gateway = Gateway::start().await;
    let mut config = gateway.files.config();
    let plan = |bound: bool| {
        let toml = serde_json::json!({"steps": ["email"], "ttl": "5m", "email_is_device_bound": bound});
        serde_json::from_value(toml).unwrap()
    };

    config.plan.insert("otp".to_owned(), plan(false));
    let refused = Parts::assemble(&config).err().unwrap().to_string();
    config.plan.insert("otp".to_owned(), plan(true));
    let answered_for = Parts::assemble(&config);

    assert!(refused.contains("plan.otp.email_is_device_bound"), "{refused}");
    assert!(answered_for.is_ok());
}

#[tokio::test]
async fn a_recipient_with_only_an_email_address_gets_no_otp_by_default() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("reader").customer("1337").mailbox("reader@example.org")]).await;

    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;

    assert_eq!(gateway.email().received().len(), 0);
    assert_eq!(gateway.last().await.line.end_reason.as_deref(), Some("no_contact"));
}
