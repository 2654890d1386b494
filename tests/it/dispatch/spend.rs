//! Providers that have been paid enough for an hour: who is asked instead, what waits, and what is sent all the same.

use std::time::Duration;

use crate::support::{Gateway, Setup, locked, otp, recipient};

/// Two SMS providers of which the first may be paid for two messages an hour and the second for `backup` of them, and
/// `guard` for what is forbidden.
async fn paid(backup: u32, guard: &str) -> Gateway {
    let gateway = Setup::new()
        .more(&format!("[limits]\n{guard}\n[plan.card_locked]\nsteps = [\"sms\"]\nttl = \"24h\"\n"))
        .start()
        .await;
    gateway.knows([recipient("somebody").customer("1337").card("11").phone("+48600100200")]).await;
    gateway.house.reconfigure(|text| {
        let capped = |text: String, name: &str, cap: u32| {
            let name = format!("name = \"{name}\"\n");
            text.replace(&name, &format!("{name}price = \"0.05\"\nspend_cap_per_hour = \"{}\"\n", money(cap)))
        };
        capped(capped(text, "primary", 2), "backup", backup)
    });
    gateway.restart().await
}

fn money(messages: u32) -> String {
    format!("{}.{:02}", messages * 5 / 100, messages * 5 % 100)
}

async fn codes(gateway: &Gateway, count: usize) {
    for _ in 0..count {
        gateway.post(&otp()).await.expect_status(204);
        gateway.settle().await;
    }
}

fn taken(gateway: &Gateway) -> (usize, usize) {
    (gateway.sms("primary").received().len(), gateway.sms("backup").received().len())
}

#[tokio::test]
async fn whoever_has_been_paid_enough_gives_candidate_until_the_hour_has_passed_also_across_restarts() {
    let gateway = paid(100, "").await;

    codes(&gateway, 3).await;
    assert_eq!(taken(&gateway), (2, 1));
    let gateway = gateway.restart().await;
    codes(&gateway, 1).await;
    assert_eq!(taken(&gateway), (2, 2), "forgotten by the restart");
    let gateway = gateway.crash().await;
    codes(&gateway, 1).await;
    assert_eq!(taken(&gateway), (2, 3), "forgotten by the crash");

    gateway.clock.move_on(Duration::from_mins(61));
    codes(&gateway, 3).await;
    assert_eq!(taken(&gateway), (4, 4));
}

#[tokio::test]
async fn what_was_not_taken_is_not_paid() {
    let gateway = paid(100, "").await;
    gateway.sms("primary").answers(400);
    codes(&gateway, 3).await;
    assert_eq!(taken(&gateway), (0, 3));

    gateway.sms("primary").recovers();
    codes(&gateway, 3).await;

    assert_eq!(taken(&gateway), (2, 4));
}

#[tokio::test]
async fn a_crowd_cannot_pass_a_cap_together() {
    let gateway = paid(100, "per_recipient = 0\nper_card = 0").await;
    gateway.sms("primary").takes(Duration::from_millis(300));

    for _ in 0..10 {
        gateway.post(&otp().key(&uuid::Uuid::now_v7().to_string())).await.expect_status(204);
    }
    gateway.drain().await;

    let (primary, backup) = taken(&gateway);
    assert_eq!(primary, 2, "and {backup} by the other");
}

#[tokio::test]
async fn when_everybody_has_been_paid_enough_a_code_is_sent_all_the_same_and_other_news_wait() {
    let gateway = paid(1, "").await;

    codes(&gateway, 5).await;
    assert_eq!(taken(&gateway), (4, 1), "in the order of the file");
    gateway.post(&locked(gateway.now())).await.expect_status(204);
    gateway.settle().await;
    let waits = gateway.last().await;
    assert_eq!((waits.line.state.as_str(), waits.attempts.len()), ("open", 0));

    gateway.wait(Duration::from_mins(61)).await;
    assert_eq!(gateway.last().await.line.state, "sent");
    assert_eq!(taken(&gateway), (5, 1));
}

#[tokio::test]
async fn codes_are_held_at_the_cap_only_where_that_was_asked_for() {
    let gateway = paid(1, "hold_at_cap = true").await;

    codes(&gateway, 4).await;
    assert_eq!(taken(&gateway), (2, 1));
    assert_eq!(gateway.last().await.line.state, "open");
    gateway.drain().await;

    assert_eq!((gateway.last().await.line.state.as_str(), gateway.received()), ("expired", 3));
}
