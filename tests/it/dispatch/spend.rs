//! Providers at their spend cap: fallbacks, waiting, and OTPs beyond the cap.

use std::time::Duration;

use crate::support::{Gateway, Setup, locked, otp, recipient};

/// Two SMS providers: the first has a cap of two messages per hour and the second one of `backup` messages. `limits` is
/// the `[limits]` section.
async fn paid(backup: u32, limits: &str) -> Gateway {
    let gateway = Setup::new()
        .more(&format!("[limits]\n{limits}\n[plan.card_locked]\nsteps = [\"sms\"]\nttl = \"24h\"\n"))
        .start()
        .await;
    gateway.knows([recipient("holder").customer("1337").card("11").phone("+48600100200")]).await;
    gateway.files.reconfigure(|text| {
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
async fn a_provider_at_its_cap_is_skipped_for_the_hour_even_after_a_restart() {
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
async fn a_rejected_message_is_not_counted_as_spend() {
    let gateway = paid(100, "").await;
    gateway.sms("primary").answers(413);
    codes(&gateway, 3).await;
    assert_eq!(taken(&gateway), (0, 3));

    gateway.sms("primary").recovers();
    codes(&gateway, 3).await;

    assert_eq!(taken(&gateway), (2, 4));
}

#[tokio::test]
async fn an_sms_of_several_segments_counts_each_of_them_also_after_a_restart() {
    let long = "Kod {{otp}}. ".to_owned() + &"Długi tekst o tej płatności. ".repeat(8) + "{{amount}} {{merchant}}";
    let gateway = paid(100, "").await;
    gateway.files.replace("templates/pl/otp/sms.hbs", long);
    let gateway = gateway.restart().await;

    codes(&gateway, 1).await;
    let segments = gateway.last().await.attempts[0].segments.unwrap();
    codes(&gateway, 1).await;
    assert!(segments >= 2, "{segments}");
    assert_eq!(taken(&gateway), (1, 1), "the first message alone reached the cap of two segments");
    let gateway = gateway.restart().await;
    codes(&gateway, 1).await;

    assert_eq!(taken(&gateway), (1, 2), "forgotten by the restart");
}

#[tokio::test]
async fn concurrent_deliveries_cannot_exceed_a_cap() {
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
async fn at_every_cap_an_otp_is_still_sent_and_standard_deliveries_wait() {
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
async fn otps_wait_at_the_cap_only_with_otp_waits_at_cap() {
    let gateway = paid(1, "otp_waits_at_cap = true").await;

    codes(&gateway, 4).await;
    assert_eq!(taken(&gateway), (2, 1));
    assert_eq!(gateway.last().await.line.state, "open");
    gateway.drain().await;

    assert_eq!((gateway.last().await.line.state.as_str(), gateway.received()), ("expired", 3));
}
