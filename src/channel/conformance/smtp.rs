//! The same promises for the kinds that speak SMTP, with their own server.

use serde_json::json;

use super::test_servers::{Action, ReceivedRequests, TestRelay};
use super::{EXAMPLES, Example, Protocol, Servers, assert_redacted};
use crate::channel::SendResult;
use crate::domain::outcome::{Cause, Outcome};

fn kinds() -> impl Iterator<Item = &'static Example> {
    EXAMPLES.iter().filter(|example| matches!(example.protocol, Protocol::Smtp))
}

/// What one mail to `relay` becomes for each kind.
async fn results(relay: TestRelay) -> Vec<(&'static str, SendResult)> {
    let address = relay.start().await;
    let servers = Servers { messages: address, tokens: address };
    let mut all = Vec::new();
    for example in kinds() {
        let provider = example.connect(&servers, &json!({ "timeout": "400ms" }));
        let result = provider.send(&example.message()).await;
        assert_redacted(example.kind, result.detail.as_ref());
        all.push((example.kind, result));
    }
    all
}

#[tokio::test]
async fn a_reply_or_none_has_the_class_that_it_has_over_http() {
    let echo =
        "535 5.7.8 AUTH PLAIN AG90cG9zdABodXNoOFpxMS1wYXNzd29yZC0wMTIzNDU2Nzg5 hush8Zq1-password-0123456789 refused";
    let mail = "554 5.6.0 Kod 904216 do zakupu 12,34 EUR: Sklep Zielony";
    for (relay, expected) in [
        (TestRelay::new().on("AUTH", echo), Outcome::deferred(Cause::Unauthorized)),
        (TestRelay::new().on("(greeting)", "554 go away"), Outcome::deferred(Cause::Account)),
        (TestRelay::new().on("(greeting)", "421 busy"), Outcome::deferred(Cause::ProviderDown)),
        (TestRelay::new().on("(greeting)", "SSH-2.0-OpenSSH_9.9"), Outcome::deferred(Cause::Unreachable)),
        (TestRelay::new().on("MAIL", "451 later"), Outcome::deferred(Cause::ProviderDown)),
        (TestRelay::new().on(".", mail), Outcome::rejected(Cause::BadMessage)),
        (TestRelay::new().react("MAIL", Action::Disconnect), Outcome::deferred(Cause::Unreachable)),
        (TestRelay::new().react(".", Action::Disconnect), Outcome::unknown(Cause::Disconnected)),
        (TestRelay::new().react(".", Action::NeverReply), Outcome::unknown(Cause::TimedOut)),
    ] {
        for (kind, result) in results(relay.clone()).await {
            assert_eq!(result.outcome, expected, "{kind}: {:?}", result.detail);
        }
    }
}

#[tokio::test]
async fn a_mail_has_the_contact_the_text_and_the_reference() {
    let relay = TestRelay::new();
    let received: ReceivedRequests = relay.received.clone();
    assert!(results(relay).await.iter().all(|(_, result)| result.outcome.is_accepted()));
    let all = received.all().join("\n");
    for part in ["leon@mail.example", super::CODE, &crate::channel::test_servers::delivery().to_string()] {
        assert!(all.contains(part), "{part}: {all}");
    }
}

#[tokio::test]
async fn no_more_mails_are_in_flight_than_the_settings_allow() {
    for example in kinds() {
        let relay = TestRelay::new().react(".", Action::NeverReply);
        let address = relay.start().await;
        let servers = Servers { messages: address, tokens: address };
        let provider = example.connect(&servers, &json!({ "timeout": "400ms", "connections": 1 }));
        let message = example.message();
        let (one, other) = tokio::join!(provider.send(&message), provider.send(&message));
        let local = [&one, &other].iter().filter(|result| result.outcome.is_local()).count();
        assert_eq!((local, relay.received.count("EHLO")), (1, 1), "{}", example.kind);
    }
}
