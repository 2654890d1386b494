//! Consent, quiet hours, parallel channels and hedges.

use std::time::Duration;

use otpost::domain::clock::Timestamp;
use otpost::domain::contact::Channel;
use otpost::domain::outcome::{Cause, Outcome};

use crate::support::{Gateway, Setup, locked, otp, recipient, transaction, transactional_lock, unlocked, verification};

const EVERY_NIGHT: &str = "[plan.card_unlocked]\nsteps = [\"push\", \"sms\"]\nttl = \"24h\"\nquiet_hours = \"22:00-07:00\"\n\
    [plan.card_locked]\nsteps = [\"push\", \"sms\"]\nttl = \"24h\"\nquiet_hours = \"22:00-07:00\"\n\
    [plan.transaction]\nsteps = [\"push\"]\nttl = \"1h\"\nquiet_hours = \"22:00-07:00\"\n";

const HEDGED: &str = "[plan.otp]\nsteps = [\"push\", \"sms\"]\nttl = \"5m\"\nhedge_after = \"30s\"";

const ABREAST: &str = "[plan.card_locked]\nsteps = [\"push\", [\"sms\", \"email\"]]\nttl = \"24h\"";

/// Moves the clock on to the next time at which it is `hour` in UTC.
async fn until(gateway: &Gateway, hour: u64) -> Timestamp {
    let of_day = u64::try_from(gateway.now().micros()).unwrap() / 1_000_000 % 86_400;
    gateway.wait(Duration::from_secs((hour * 3600 + 86_400 - of_day) % 86_400)).await;
    gateway.now()
}

fn hour(at: Timestamp) -> String {
    at.to_string()[11..16].to_owned()
}

#[tokio::test]
async fn a_channel_without_consent_is_never_used_not_even_for_an_otp() {
    let gateway = Gateway::start().await;
    let all = |name: &str| recipient(name).app("token").phone("+48600100200").mailbox("reader@example.org");
    gateway
        .knows([
            all("mail").user("1").customer("1337").agrees_to(&[Channel::Sms, Channel::Email]),
            all("order").user("2").agrees_to(&[Channel::Email, Channel::Push]),
        ])
        .await;

    gateway.post(&otp()).await.expect_status(204);
    gateway.post(&verification("Accepted").with("userId", "1")).await.expect_status(204);
    gateway.post(&verification("Accepted").with("userId", "2")).await.expect_status(204);
    gateway.drain().await;

    assert_eq!(gateway.sms("primary").received().len(), 1, "the code");
    assert_eq!(gateway.email().received().len(), 2, "news, in the order that was wished");
    assert!(gateway.push().received().is_empty());
}

#[tokio::test]
async fn without_consent_the_email_of_the_notification_is_not_used_either() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("phone").user("1337").phone("+48600100200").agrees_to(&[Channel::Sms])]).await;

    gateway.post(&verification("Accepted")).await.expect_status(204);
    gateway.drain().await;

    assert_eq!(gateway.received(), 0);
    assert_eq!(gateway.last().await.line.end_reason.as_deref(), Some("not_agreed"));
}

#[tokio::test]
async fn quiet_hours_end_in_the_morning_of_the_recipients_time_zone() {
    let gateway = Setup::new().more(EVERY_NIGHT).start().await;
    gateway
        .knows([
            recipient("here").card("11").phone("+48600100200"),
            recipient("far").card("12").phone("+819012345678").lives_in("Asia/Tokyo"),
        ])
        .await;
    let night = until(&gateway, 23).await;

    gateway.post(&unlocked(night)).await.expect_status(204);
    gateway.post(&unlocked(night).card("12")).await.expect_status(204);
    gateway.settle().await;
    let at_once: Vec<_> = gateway.sms("primary").received().iter().map(|sms| sms.to.clone()).collect();
    gateway.drain().await;

    assert_eq!(at_once, ["+819012345678"], "in Tokyo it is eight in the morning");
    assert_eq!(gateway.sms("primary").received().len(), 2);
    assert_eq!(hour(gateway.now()), "07:00");
}

#[tokio::test]
async fn otps_and_stolen_cards_ignore_quiet_hours_and_overtake_postponed_deliveries_which_are_stale_then() {
    let gateway = Setup::new().more(EVERY_NIGHT).start().await;
    gateway.knows([recipient("holder").customer("1337").card("11").phone("+48600100200")]).await;
    let night = until(&gateway, 23).await;

    gateway.post(&unlocked(night)).await.expect_status(204);
    gateway.post(&locked(night).with("reason", "CARD_STOLEN")).await.expect_status(204);
    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;
    let received = gateway.received();
    gateway.drain().await;

    assert_eq!(received, 2);
    assert_eq!(gateway.received(), 2, "in the morning the card is still locked");
    assert_eq!(gateway.deliveries().await[0].state, "superseded");
}

#[tokio::test]
async fn a_delivery_that_would_expire_in_quiet_hours_is_sent_shortly_before_its_deadline() {
    let gateway = Setup::new().more(EVERY_NIGHT).start().await;
    gateway.knows([recipient("holder").storage_card("1337").app("token")]).await;
    let night = until(&gateway, 23).await;

    gateway.post(&transaction(night)).await.expect_status(204);
    gateway.drain().await;

    assert_eq!(gateway.received(), 1);
    assert_eq!(hour(gateway.now()), "23:50");
}

#[tokio::test]
async fn parallel_channels_are_separate_deliveries_and_follow_the_steps_before_them() {
    let gateway = Setup::new().more(ABREAST).start().await;
    gateway.knows([recipient("all").card("11").app("token").phone("+48600100200").mailbox("reader@example.org")]).await;
    gateway.push().answers(410);

    gateway.post(&locked(gateway.now())).await.expect_status(204);
    gateway.drain().await;

    assert_eq!((gateway.sms("primary").received().len(), gateway.email().received().len()), (1, 1));
    let deliveries = gateway.deliveries().await;
    let ends: Vec<_> = deliveries.iter().map(|line| (line.state.as_str(), line.attempts)).collect();
    assert_eq!(ends, [("sent", 2), ("sent", 1)]);
    assert_eq!(deliveries[0].recipient, deliveries[1].recipient);
}

#[tokio::test]
async fn a_parallel_channel_retries_by_itself_and_sends_nothing_twice() {
    let gateway = Setup::new().more(ABREAST).start().await;
    gateway.knows([recipient("both").card("11").phone("+48600100200").mailbox("reader@example.org")]).await;
    gateway.email().answers(503);

    gateway.post(&locked(gateway.now())).await.expect_status(204);
    gateway.settle().await;
    let gateway = gateway.crash().await;
    gateway.email().recovers();
    gateway.drain().await;

    assert_eq!((gateway.sms("primary").received().len(), gateway.email().received().len()), (1, 1));
}

#[tokio::test]
async fn every_contact_of_a_corporation_is_notified_once_on_each_parallel_channel() {
    let plan = "[plan.transactional_lock_added]\nsteps = [[\"sms\", \"email\"]]\nttl = \"24h\"";
    let gateway = Setup::new().more(plan).start().await;
    let company = "a3f33118-946d-4b9c-b27f-e009d28355fa";
    gateway
        .knows([
            recipient("one").corporation(company).phone("+48600100200").mailbox("one@example.org"),
            recipient("two").corporation(company).phone("+48600100300").mailbox("two@example.org"),
            recipient("mail only").corporation(company).mailbox("three@example.org"),
        ])
        .await;

    gateway.post(&transactional_lock("Added", gateway.now())).await.expect_status(204);
    gateway.drain().await;

    assert_eq!((gateway.sms("primary").received().len(), gateway.email().received().len()), (2, 3));
    assert_eq!(gateway.deliveries().await.len(), 5);
}

#[tokio::test]
async fn an_unconfirmed_push_is_followed_by_an_sms_even_after_a_crash() {
    let gateway = Setup::new().more(HEDGED).start().await;
    gateway.knows([recipient("both").customer("1337").app("token").phone("+48600100200")]).await;

    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;
    let gateway = gateway.crash().await;
    gateway.wait(Duration::from_secs(29)).await;
    assert_eq!((gateway.push().received().len(), gateway.sms("primary").received().len()), (1, 0));
    gateway.wait(Duration::from_secs(2)).await;

    assert_eq!((gateway.push().received().len(), gateway.sms("primary").received().len()), (1, 1));
    let last = gateway.last().await;
    assert_eq!((last.line.state.as_str(), last.attempts.len()), ("sent", 2));
}

#[tokio::test]
async fn a_hedged_push_ends_as_sent_when_every_later_step_fails() {
    let gateway = Setup::new().more(HEDGED).start().await;
    gateway
        .knows([
            recipient("both").customer("1337").app("token").phone("+48600100200"),
            recipient("app").customer("1338").app("other"),
        ])
        .await;
    gateway.sms("primary").answers(413);
    gateway.sms("backup").answers(413);

    gateway.post(&otp().customer("1338")).await.expect_status(204);
    gateway.settle().await;
    assert_eq!(gateway.last().await.line.state, "sent", "no step to wait for");
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;

    let last = gateway.last().await;
    assert_eq!(last.line.state, "sent");
    assert_eq!(last.attempts.last().unwrap().outcome, Outcome::rejected(Cause::BadMessage));
}

#[tokio::test]
async fn a_failed_push_is_followed_at_once_with_any_hedge() {
    let gateway = Setup::new().more(HEDGED).start().await;
    gateway.knows([recipient("both").customer("1337").app("token").phone("+48600100200")]).await;
    gateway.push().answers(410);

    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;

    assert_eq!(gateway.sms("primary").received().len(), 1);
    assert_eq!(gateway.last().await.line.state, "sent");
}
