//! Contacts that a provider reports as gone: what is retired, what is not, and what brings it back.

use std::collections::BTreeSet;

use otpost::domain::outcome::{Cause, Outcome};
use otpost::domain::recipient::{Identifier, IdentifierKind, Recipient};
use otpost::store::audit_events::{EventFilter, EventScope};

use crate::support::{Gateway, otp, recipient};

const GONE: u16 = 410;

impl Gateway {
    async fn customer(&self, number: &str) -> Recipient {
        let identifier = Identifier { kind: IdentifierKind::StorageCustomer, value: number.to_owned() };
        self.store().recipients().find(&identifier).await.unwrap().remove(0)
    }

    async fn sends_otp(&self) {
        self.post(&otp()).await.expect_status(204);
        self.drain().await;
    }
}

#[tokio::test]
async fn a_token_that_is_gone_is_not_tried_again_until_its_recipient_is_imported_again() {
    let gateway = Gateway::start().await;
    let both = || recipient("both").customer("1337").app("token").phone("+48600100200");
    gateway.knows([both()]).await;
    gateway.push().answers(GONE);

    gateway.sends_otp().await;
    let first = gateway.last().await;
    let retired = gateway.customer("1337").await;
    gateway.sends_otp().await;
    let second = gateway.last().await;
    gateway.push().recovers();
    gateway.knows([both()]).await;
    gateway.sends_otp().await;
    let third = gateway.last().await;

    assert_eq!(first.attempts[0].outcome, Outcome::rejected(Cause::ContactGone));
    assert_eq!((first.attempts.len(), first.line.state.as_str()), (2, "sent"));
    let [contact] = &retired.retired[..] else { unreachable!("one contact is retired") };
    assert_eq!((contact.contact.expose(), retired.contacts.len()), ("token", 2));
    assert_eq!(contact.provider, first.attempts[0].provider);
    assert!(contact.detail.as_ref().unwrap().as_str().contains("410"), "{:?}", contact.detail);
    assert_eq!((second.attempts.len(), second.line.state.as_str()), (1, "sent"));
    assert_eq!(gateway.sms("primary").received().len(), 2);
    assert_eq!((third.attempts.len(), third.line.state.as_str()), (1, "sent"));
    assert_eq!(gateway.customer("1337").await.retired, []);
}

#[tokio::test]
async fn one_audit_event_says_that_a_contact_was_retired_and_not_which() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("both").customer("1337").app("secret-token").phone("+48600100200")]).await;
    gateway.push().answers(GONE);

    gateway.sends_otp().await;
    gateway.sends_otp().await;

    let filter = EventFilter::newest(EventScope::All, 100);
    let events = gateway.store().audit_events().find(&filter).await.unwrap().events;
    let retired: Vec<_> = events.iter().filter(|event| event.line.kind == "contact_retired").collect();
    assert_eq!(retired.len(), 1);
    let text = retired[0].line.detail.clone();
    assert!(text.contains("push") && text.contains("recipient"), "{text}");
    assert!(!text.contains("secret-token"), "{text}");
}

#[tokio::test]
async fn the_only_contact_of_a_recipient_is_retired_and_the_code_ends_as_rejected() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("app-only").customer("1337").app("token")]).await;
    gateway.push().answers(GONE);

    gateway.sends_otp().await;
    let first = gateway.last().await.line;
    gateway.sends_otp().await;
    let second = gateway.last().await;

    assert_eq!((first.state.as_str(), first.end_reason.as_deref()), ("undeliverable", Some("all_rejected")));
    assert_eq!((second.attempts.len(), second.line.end_reason.as_deref()), (0, Some("no_contact")));
}

/// The answers of a push service, of which only 410 is about the token.
#[tokio::test]
async fn no_other_answer_of_a_provider_retires_a_contact() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("app-only").customer("1337").app("token")]).await;

    for status in [301, 400, 401, 402, 403, 404, 407, 409, 411, 413, 421, 422, 429, 451, 500, 502, 503, 520] {
        gateway.push().answers(status);
        gateway.post(&otp().with("merchantName", status.to_string())).await.expect_status(204);
        gateway.settle().await;
        assert!(!gateway.last().await.attempts.is_empty(), "{status}");
        assert_eq!(gateway.customer("1337").await.retired, [], "{status}");
    }
}

#[tokio::test]
async fn a_provider_that_reports_every_token_as_gone_retires_few_of_them() {
    let gateway = Gateway::start().await;
    let numbers: Vec<String> = (1..=12).map(|number| number.to_string()).collect();
    let known = numbers.iter().map(|number| recipient(number).customer(number).app(&format!("token-{number}")));
    gateway.knows(known).await;
    gateway.push().answers(GONE);

    for number in &numbers {
        gateway.post(&otp().customer(number)).await.expect_status(204);
        gateway.drain().await;
    }

    let mut retired = BTreeSet::new();
    for number in &numbers {
        retired.extend(gateway.customer(number).await.retired.first().map(|_| number));
    }
    assert_eq!(retired.len(), 5, "{retired:?}");
}

#[tokio::test]
async fn a_delivery_that_waits_goes_on_with_the_contacts_that_are_left() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("both").customer("1337").app("token").phone("+48600100200")]).await;
    let sms = [gateway.sms("primary"), gateway.sms("backup")];
    for it in sms {
        it.answers(503);
    }
    gateway.push().answers(503);
    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;
    let waiting = gateway.last().await;
    gateway.push().answers(GONE);
    gateway.post(&otp().with("merchantName", "another merchant")).await.expect_status(204);
    gateway.settle().await;
    let retired = gateway.customer("1337").await.retired.len();

    gateway.push().recovers();
    for it in sms {
        it.recovers();
    }
    gateway.drain().await;

    assert_eq!((waiting.line.state.as_str(), retired), ("open", 1));
    let states: Vec<_> = gateway.deliveries().await.into_iter().map(|line| line.state).collect();
    assert_eq!(states, ["sent", "sent"]);
    let sent: usize = sms.iter().map(|it| it.received().len()).sum();
    assert_eq!((gateway.push().received().len(), sent), (0, 2));
}
