//! Which candidate is tried first, and which next.

use std::time::Duration;

use otpost::domain::outcome::{Cause, Outcome};

use crate::support::{Gateway, Setup, locked, otp, recipient};

#[tokio::test]
async fn an_otp_is_sent_by_push_only_when_the_push_is_accepted() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("both").customer("1337").app("token").phone("+48600100200")]).await;

    gateway.post(&otp().code("73915046")).await.expect_status(204);
    gateway.drain().await;

    assert_eq!(gateway.received(), 1);
    let [message] = &gateway.push().received()[..] else { unreachable!("one message") };
    assert_eq!(message.to, "token");
    assert!(message.text.contains("73915046") && message.text.contains("10,00"), "{}", message.text);
    assert!(!message.title.as_ref().unwrap().contains("73915046"));
}

#[tokio::test]
async fn an_otp_is_sent_by_sms_when_the_app_was_removed() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("both").customer("1337").app("token").phone("+48600100200")]).await;
    gateway.push().answers(410);

    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;

    let last = gateway.last().await;
    assert_eq!(last.line.state, "sent");
    assert_eq!(last.attempts[0].outcome, Outcome::rejected(Cause::ContactGone));
    assert_eq!(gateway.sms("primary").received()[0].to, "+48600100200");
}

#[tokio::test]
async fn the_second_provider_is_tried_when_the_first_one_is_down() {
    let gateway = sms_gateway(Setup::new()).await;
    gateway.sms("primary").answers(503);

    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;

    assert_eq!(gateway.sms("backup").received().len(), 1);
    assert_eq!(gateway.last().await.line.state, "sent");
}

#[tokio::test]
async fn all_providers_are_retried_after_a_backoff_when_all_deferred() {
    let gateway = sms_gateway(Setup::new()).await;
    gateway.sms("primary").answers(503);
    gateway.sms("backup").answers(503);

    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;
    let pause = gateway.store().next_due().await.unwrap().unwrap().since(gateway.now());
    gateway.sms("primary").recovers();
    gateway.drain().await;

    assert!((Duration::from_millis(500)..Duration::from_millis(1500)).contains(&pause), "{pause:?}");
    let last = gateway.last().await;
    let asked: Vec<_> = last.attempts.iter().map(|attempt| attempt.provider.0.as_str()).collect();
    assert_eq!(asked, ["primary", "backup", "primary"]);
    assert_eq!(last.line.state, "sent");
}

#[tokio::test]
async fn a_short_retry_after_is_waited_for() {
    let gateway = sms_gateway(Setup::new()).await;
    gateway.sms("primary").answers_with_retry_after(429, 3);

    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;
    gateway.sms("primary").recovers();
    gateway.wait(Duration::from_millis(2900)).await;
    assert_eq!(gateway.received(), 0);
    gateway.wait(Duration::from_secs(1)).await;

    assert_eq!(gateway.sms("primary").received().len(), 1);
    assert_eq!(gateway.sms("backup").received().len(), 0);
}

#[tokio::test]
async fn a_long_retry_after_means_the_next_provider_at_once() {
    let gateway = sms_gateway(Setup::new()).await;
    gateway.sms("primary").answers_with_retry_after(429, 60);

    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;

    assert_eq!(gateway.sms("backup").received().len(), 1);
}

#[tokio::test]
async fn a_provider_that_never_answers_costs_one_timeout() {
    let gateway = sms_gateway(Setup::new().timeout("300ms")).await;
    gateway.sms("primary").swallows();

    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;

    let last = gateway.last().await;
    assert_eq!(last.attempts[0].outcome, Outcome::unknown(Cause::TimedOut));
    assert!(last.attempts[0].took < Duration::from_millis(800), "{:?}", last.attempts[0].took);
    assert_eq!(gateway.sms("backup").received().len(), 1);
}

// The only slow test of this file: eight real seconds, because the bound itself is promised.
#[tokio::test]
async fn the_next_provider_is_tried_within_eight_and_a_half_seconds() {
    let gateway = sms_gateway(Setup::new()).await;
    gateway.sms("primary").swallows();
    let began = tokio::time::Instant::now();

    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;

    assert!(began.elapsed() < Duration::from_millis(8500), "{:?}", began.elapsed());
    assert_eq!(gateway.sms("backup").received().len(), 1);
}

#[tokio::test]
async fn each_holder_of_a_card_gets_one_message() {
    let gateway = Gateway::start().await;
    let numbers = ["+48600100201", "+48600100202", "+48600100203"];
    gateway.knows(numbers.map(|number| recipient(number).card("11").phone(number))).await;

    gateway.post(&locked(gateway.now())).await.expect_status(204);
    gateway.drain().await;

    let mut received: Vec<_> = gateway.sms("primary").received().iter().map(|message| message.to.clone()).collect();
    received.sort();
    assert_eq!(received, numbers);
    let ended: Vec<_> = gateway.deliveries().await.into_iter().map(|line| (line.state, line.attempts)).collect();
    assert_eq!(ended, ["sent", "sent", "sent"].map(|state| (state.to_owned(), 1)));
}

#[tokio::test]
async fn an_email_is_in_the_language_of_its_recipient() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("reader").card("11").mailbox("reader@example.org")]).await;

    gateway.post(&locked(gateway.now()).with("reason", "CARD_LOST")).await.expect_status(204);
    gateway.drain().await;

    let [mail] = &gateway.email().received()[..] else { unreachable!("one mail") };
    assert_eq!(mail.to, "reader@example.org");
    assert_eq!(mail.title.as_deref(), Some("Test Bank: karta została zablokowana"));
    assert!(mail.text.contains("po zgłoszeniu utraty") && mail.text.contains("Blokada jest trwała"), "{}", mail.text);
}

async fn sms_gateway(setup: Setup) -> Gateway {
    let gateway = setup.start().await;
    gateway.knows([recipient("holder").customer("1337").card("11").phone("+48600100200")]).await;
    gateway
}
