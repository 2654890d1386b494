//! Hedged pushes: whether the SMS of the next step is sent depends on the receipts of the push service.

use std::time::Duration;

use otpost::domain::delivery::ProviderName;
use otpost::store::operator;
use otpost::store::providers::ProviderDecision;

use crate::support::receipt_provider::{ReceiptProvider, SignedReceipt, signed_receipt};
use crate::support::{Gateway, Setup, locked, otp, recipient, unlocked};

const HEDGED: &str = "[plan.otp]\nsteps = [\"push\", \"sms\"]\nttl = \"5m\"\nhedge_after = \"30s\"\n";

/// Shortly before the SMS is due, and shortly after it.
const BEFORE: Duration = Duration::from_secs(29);
const AFTER: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_push_that_is_confirmed_in_time_is_not_followed_by_an_sms() {
    for by_ours in [true, false] {
        let (gateway, _desk, reference) = pushed().await;
        let reference = if by_ours { reference.as_str() } else { "sms_provider-1" };

        gateway.wait(BEFORE).await;
        tell(&gateway, &signed_receipt("sms_provider", reference, "DELIVRD")).await;
        gateway.wait(AFTER).await;
        gateway.drain().await;

        becomes(&gateway, "confirmed").await;
        assert_eq!((gateway.received(), gateway.last().await.attempts.len()), (0, 1));
    }
}

#[tokio::test]
async fn a_push_that_is_confirmed_before_the_push_service_answers_is_not_followed_by_an_sms() {
    for by_ours in [true, false] {
        let (gateway, sms_provider) = hedged().await;
        gateway.post(&otp()).await.expect_status(204);
        let reference = sms_provider.message().await;
        let reference = if by_ours { reference.as_str() } else { "sms_provider-1" };

        tell(&gateway, &signed_receipt("sms_provider", reference, "DELIVRD")).await;
        assert_eq!(gateway.last().await.attempts.len(), 0, "not settled yet");
        sms_provider.answers();
        gateway.settle().await;
        gateway.wait(BEFORE + AFTER).await;
        gateway.drain().await;

        becomes(&gateway, "confirmed").await;
        assert_eq!((gateway.received(), gateway.last().await.attempts.len()), (0, 1));
    }
}

#[tokio::test]
async fn a_confirmation_survives_a_crash() {
    let (gateway, _desk, reference) = pushed().await;
    tell(&gateway, &signed_receipt("sms_provider", &reference, "DELIVRD")).await;

    let gateway = gateway.crash().await;
    gateway.wait(BEFORE + AFTER).await;
    gateway.drain().await;

    becomes(&gateway, "confirmed").await;
    assert_eq!(gateway.received(), 0);
}

#[tokio::test]
async fn an_unconfirmed_push_is_followed_by_one_sms_and_a_later_confirmation_is_recorded_only() {
    let (gateway, _desk, reference) = pushed().await;

    gateway.wait(BEFORE).await;
    assert_eq!(gateway.received(), 0, "early");
    gateway.wait(AFTER).await;
    gateway.drain().await;
    assert_eq!((gateway.sms("primary").received().len(), gateway.received()), (1, 1));
    assert_eq!(gateway.last().await.line.state, "sent");
    tell(&gateway, &signed_receipt("sms_provider", &reference, "DELIVRD")).await;
    gateway.drain().await;

    becomes(&gateway, "confirmed").await;
    assert_eq!(gateway.received(), 1);
}

#[tokio::test]
async fn a_callback_that_does_not_confirm_this_push_holds_back_no_sms() {
    for (row, slip_of) in [
        (
            "did not arrive",
            (|reference| signed_receipt("sms_provider", reference, "UNDELIV")) as fn(&str) -> SignedReceipt,
        ),
        ("not final", |reference| signed_receipt("sms_provider", reference, "ACCEPTD")),
        ("another message", |_| signed_receipt("sms_provider", "sms_provider-2", "DELIVRD")),
        ("another provider", |reference| signed_receipt("other", reference, "DELIVRD")),
    ] {
        let (gateway, _desk, reference) = pushed().await;

        tell(&gateway, &slip_of(&reference)).await;
        gateway.wait(BEFORE + AFTER).await;
        gateway.drain().await;

        assert_eq!(gateway.sms("primary").received().len(), 1, "{row}");
        assert_eq!(gateway.last().await.line.state, "sent", "{row}");
    }
}

#[tokio::test]
async fn a_confirmation_when_the_sms_is_due_leads_to_at_most_one_sms_and_to_confirmed() {
    for _ in 0..8 {
        let (gateway, _desk, reference) = pushed().await;
        gateway.wait(BEFORE).await;

        let receipt = signed_receipt("sms_provider", &reference, "DELIVRD");
        tokio::join!(tell(&gateway, &receipt), gateway.wait(AFTER));
        gateway.drain().await;

        becomes(&gateway, "confirmed").await;
        assert!(gateway.received() <= 1);
    }
}

#[tokio::test]
async fn a_push_that_was_not_delivered_is_followed_by_the_sms_at_once() {
    let (gateway, _desk, reference) = pushed().await;
    for name in ["other", "app"].map(|name| ProviderName(name.to_owned())) {
        gateway.store().providers().drain(&ProviderDecision::new(name, None, operator(), gateway.now())).await.unwrap();
    }
    let gateway = gateway.restart().await;

    tell(&gateway, &signed_receipt("sms_provider", &reference, "UNDELIV")).await;
    gateway.wait(Duration::ZERO).await;

    assert_eq!((gateway.sms("primary").received().len(), gateway.last().await.line.state.as_str()), (1, "sent"));
}

#[tokio::test]
async fn a_hedge_goes_on_when_the_push_service_is_drained_renamed_removed_or_at_its_spend_cap() {
    for change in ["drained", "renamed", "removed", "at its spend cap"] {
        let (gateway, _desk, _) = pushed().await;
        for name in ["sms_provider", "other", "app"].map(|name| ProviderName(name.to_owned())) {
            match change {
                "drained" => {
                    gateway
                        .store()
                        .providers()
                        .drain(&ProviderDecision::new(name, None, operator(), gateway.now()))
                        .await
                        .unwrap();
                }
                "renamed" => gateway
                    .files
                    .reconfigure(|text| text.replace(&format!("name = \"{name}\""), &format!("name = \"new-{name}\""))),
                "removed" => gateway.files.reconfigure(|text| without_provider(&text, &name.0)),
                // The push that is waiting for its confirmation has used it up.
                _ => gateway.files.reconfigure(|text| {
                    let name = format!("name = \"{name}\"\n");
                    text.replace(&name, &format!("{name}price = \"1\"\nspend_cap_per_hour = \"1\"\n"))
                }),
            }
        }
        let gateway = gateway.restart().await;
        assert_eq!(gateway.last().await.line.state, "open", "{change}");

        gateway.wait(BEFORE).await;
        assert_eq!(gateway.received(), 0, "{change}: early");
        gateway.wait(AFTER).await;

        assert_eq!(gateway.sms("primary").received().len(), 1, "{change}");
        assert_eq!(gateway.last().await.line.state, "sent", "{change}");
    }
}

#[tokio::test]
async fn a_hedge_waits_for_a_drained_sms_provider() {
    let (gateway, _desk, _) = pushed().await;
    let drained = ["primary", "backup"].map(|name| ProviderName(name.to_owned()));
    for name in drained.clone() {
        gateway.store().providers().drain(&ProviderDecision::new(name, None, operator(), gateway.now())).await.unwrap();
    }
    let gateway = gateway.restart().await;
    gateway.wait(BEFORE + AFTER).await;
    assert_eq!((gateway.last().await.line.state.as_str(), gateway.received()), ("open", 0));

    gateway
        .store()
        .providers()
        .enable(&ProviderDecision::new(drained[1].clone(), None, operator(), gateway.now()))
        .await
        .unwrap();
    let gateway = gateway.restart().await;
    gateway.drain().await;

    assert_eq!((gateway.last().await.line.state.as_str(), gateway.sms("backup").received().len()), ("sent", 1));
}

#[tokio::test]
async fn an_unlock_does_not_wait_for_the_hedge_of_the_lock_and_cancels_it() {
    let plan = "[plan.card_locked]\nsteps = [\"push\", \"sms\"]\nttl = \"24h\"\nhedge_after = \"30s\"\n";
    let gateway = Setup::new().more(plan).start().await;
    gateway.knows([recipient("holder").card("11").app("token").phone("+48600100200")]).await;

    gateway.post(&locked(gateway.now())).await.expect_status(204);
    gateway.settle().await;
    assert_eq!(gateway.last().await.line.state, "open", "the SMS is pending");
    gateway.post(&unlocked(gateway.now())).await.expect_status(204);
    gateway.settle().await;
    assert_eq!(gateway.push().received().len(), 2, "the unlock is not held back");
    gateway.drain().await;

    assert_eq!((gateway.push().received().len(), gateway.received()), (2, 2), "no SMS says that the card is locked");
    let states: Vec<_> = gateway.deliveries().await.into_iter().map(|line| line.state).collect();
    assert_eq!(states, ["sent", "sent"]);
}

#[tokio::test]
async fn a_lock_that_waits_is_sent_before_the_unlock_and_not_dropped() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("holder").card("11").phone("+48600100200")]).await;
    gateway.sms("primary").answers(503);
    gateway.sms("backup").answers(503);
    gateway.post(&locked(gateway.now())).await.expect_status(204);
    gateway.post(&unlocked(gateway.now())).await.expect_status(204);
    gateway.settle().await;

    gateway.sms("primary").recovers();
    gateway.drain().await;

    let states: Vec<_> = gateway.deliveries().await.into_iter().map(|line| line.state).collect();
    assert_eq!((states, gateway.received()), (vec!["sent".to_owned(), "sent".to_owned()], 2));
}

// Without the tables of this provider.
fn without_provider(text: &str, name: &str) -> String {
    let (lines, mut kept, mut skips) = (text.lines().collect::<Vec<_>>(), Vec::new(), false);
    for (at, line) in lines.iter().enumerate() {
        if line.starts_with('[') && !line.starts_with("[provider.") {
            let named = lines.get(at + 1).is_some_and(|next| *next == format!("name = \"{name}\""));
            skips = *line == "[[provider]]" && named;
        }
        if !skips {
            kept.push(*line);
        }
    }
    kept.join("\n")
}

/// A gateway whose push service sends receipts, and the push service.
async fn hedged() -> (Gateway, ReceiptProvider) {
    let sms_provider = ReceiptProvider::open().await;
    let service = |name| sms_provider.settings(name, "", "").replace("sms_gateway", "push_http");
    let settings = service("sms_provider") + &service("other") + "[receipts]\nlisten = \"127.0.0.1:0\"\n";
    let gateway = Setup::new().first(&settings).more(HEDGED).start().await;
    gateway.knows([recipient("both").customer("1337").app("token").phone("+48600100200")]).await;
    (gateway, sms_provider)
}

/// The same, with one code that the push service has accepted; returns our reference, too.
async fn pushed() -> (Gateway, ReceiptProvider, String) {
    let (gateway, sms_provider) = hedged().await;
    gateway.post(&otp()).await.expect_status(204);
    let reference = sms_provider.message().await;
    sms_provider.answers();
    gateway.settle().await;
    assert_eq!((gateway.last().await.line.state.as_str(), gateway.received()), ("open", 0));
    (gateway, sms_provider, reference)
}

async fn tell(gateway: &Gateway, receipt: &SignedReceipt) {
    receipt.post(gateway.receipts_address()).await.expect_status(200);
}

async fn becomes(gateway: &Gateway, state: &str) {
    let reached = async {
        while gateway.last().await.line.state != state {
            tokio::task::yield_now().await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(20), reached).await;
    assert!(found.is_ok(), "it is {} and not {state}", gateway.last().await.line.state);
}
