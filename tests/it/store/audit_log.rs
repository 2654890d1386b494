//! Attempts and audit events of a delivery, and its code while it is needed.

use std::time::Duration;

use otpost::domain::audit_event::{Actor, AuditEvent, AuditKind};
use otpost::domain::certificate_id::CertificateId;
use otpost::domain::delivery::{DeliveryId, EndReason};
use otpost::domain::notification::NotificationId;
use otpost::domain::outcome::Outcome;
use otpost::domain::outcome::Reference;
use otpost::store::audit_events::{EventFilter, EventScope};
use otpost::store::{Acceptance, Accepted, Dedupe, LEASE};
use uuid::Uuid;

use super::{Fixture, Promise};

pub(super) const PROMISES: &[Promise] = &[
    ("each change of a delivery is one audit event", |it| Box::pin(one_event_each(it))),
    ("a call that changes nothing writes no audit event", |it| Box::pin(no_event(it))),
    ("a wait is one audit event, however often it is looked at", |it| Box::pin(one_event_for_a_wait(it))),
    ("an ended delivery has its reason and time", |it| Box::pin(endings(it))),
    ("an attempt is read back as written", |it| Box::pin(attempts(it))),
    ("audit events are numbered in order", |it| Box::pin(order(it))),
    ("a delivery whose epoch key is destroyed has no content", |it| Box::pin(shredded(it))),
    ("no audit event holds the code", |it| Box::pin(silent(it))),
    ("the newest rejections of notifications are read without the other events", |it| Box::pin(rejections(it))),
    ("a client certificate has one number and one event, and is found by its notifications", |it| {
        Box::pin(certificates(it))
    }),
    ("what operators did about a delivery elsewhere is found", |it| Box::pin(looks(it))),
    ("audit events are found by scope, kind, actor and number, page by page", |it| Box::pin(found(it))),
    ("a search of audit events says where it stopped", |it| Box::pin(stopped(it))),
];

async fn certificates(it: Fixture) {
    let certificate = |serial: &str| CertificateId {
        subject: "CN=otp,O=Processor".to_owned(),
        serial: serial.to_owned(),
        pin: "pin".to_owned(),
    };
    let event = || AuditEvent::gateway(AuditKind::ClientCertificateFirstUsed, it.now());
    let mut numbers = Vec::new();
    for serial in ["0A", "0B", "0A"] {
        numbers.push(it.store.client_certificates().certificate_number(&certificate(serial), event()).await.unwrap());
    }
    assert!(numbers[0] == numbers[2] && numbers[0] != numbers[1], "{numbers:?}");
    let logged = it.store.audit_events().find(&EventFilter::newest(EventScope::Operations, 10)).await.unwrap().events;
    assert_eq!(logged.iter().filter(|event| event.line.kind == "client_certificate_first_used").count(), 2);

    let acceptance = Acceptance { certificate: Some(numbers[1]), ..it.code("11111111") };
    let Accepted::New(Some(claimed)) = it.store.accept(acceptance).await.unwrap() else { unreachable!("it is new") };
    let without = it.held().await;
    let of = async |id: NotificationId| it.store.client_certificates().certificate_of(id.0).await.unwrap();
    assert_eq!(of(claimed.notification).await, Some(certificate("0B")));
    assert_eq!(of(without.notification).await, None);
}

async fn looks(it: Fixture) {
    let held = it.held().await;
    let (id, notification) = (held.id, held.notification);
    let recipient = Uuid::now_v7();
    let mut line = it.store.reports().delivery(id.0).await.unwrap().unwrap().line;
    line.recipient = Some(recipient);
    let event = |kind| AuditEvent::new(Actor::Operator("anna".to_owned()), kind, it.now());
    let again = DeliveryId(Uuid::now_v7());
    it.store
        .audit_events()
        .record(&[
            event(AuditKind::DeliveryResent).with("of", id.to_string()).about(notification, again),
            event(AuditKind::DeliveryResent).with("of", id.to_string()).with("delivery", again.to_string()),
            event(AuditKind::RecipientExported).with("recipient", recipient.to_string()),
            event(AuditKind::RecipientExported).with("recipient", Uuid::now_v7().to_string()),
            event(AuditKind::BackupMade),
        ])
        .await
        .unwrap();

    let found = it.store.reports().operators_looks(&line).await.unwrap();

    let kinds: Vec<_> = found.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["delivery_resent", "recipient_exported"]);
}

async fn numbers(it: &Fixture, filter: &EventFilter) -> (Vec<i64>, Option<i64>) {
    let page = it.store.audit_events().find(filter).await.unwrap();
    (page.events.iter().map(|event| event.line.seq).collect(), page.next)
}

// Five events: two of a delivery, and three of operators.
async fn operations(it: &Fixture) -> NotificationId {
    let held = it.held().await;
    let id = held.id.0;
    it.store.settle(held, it.taken(1)).await.unwrap();
    let event = |kind, name: &str| AuditEvent::new(Actor::Operator(name.to_owned()), kind, it.now());
    let events = [
        event(AuditKind::ProviderDrained, "anna"),
        event(AuditKind::ProviderEnabled, "anna"),
        event(AuditKind::ProviderDrained, "ben"),
    ];
    it.store.audit_events().record(&events).await.unwrap();
    NotificationId(it.store.reports().delivery(id).await.unwrap().unwrap().line.notification)
}

async fn found(it: Fixture) {
    let notification = operations(&it).await;
    let newest = |scope| EventFilter::newest(scope, 10);
    let operations = || newest(EventScope::Operations);

    assert_eq!(numbers(&it, &newest(EventScope::All)).await, (vec![5, 4, 3, 2, 1], None));
    assert_eq!(numbers(&it, &operations()).await, (vec![5, 4, 3], None));
    assert_eq!(numbers(&it, &newest(EventScope::Of(notification))).await, (vec![2, 1], None));
    let drained = EventFilter { kind: Some("provider_drained".to_owned()), ..operations() };
    assert_eq!(numbers(&it, &drained).await, (vec![5, 3], None));
    for actor in ["anna", "operator:anna"] {
        let by_anna = EventFilter { actor: Some(actor.to_owned()), ..operations() };
        assert_eq!(numbers(&it, &by_anna).await, (vec![4, 3], None), "{actor}");
    }
    assert_eq!(
        numbers(&it, &EventFilter { before: 5, from: 2, ..newest(EventScope::All) }).await,
        (vec![4, 3, 2], None)
    );
    assert_eq!(numbers(&it, &EventFilter { limit: 2, ..newest(EventScope::All) }).await, (vec![5, 4], Some(4)));
    let event = it.store.audit_events().find(&newest(EventScope::All)).await.unwrap().events.pop().unwrap();
    assert_eq!(event.notification, Some(notification.0.simple().to_string()));
}

async fn stopped(it: Fixture) {
    operations(&it).await;
    let of_ben =
        EventFilter { actor: Some("nobody".to_owned()), looked_at_max: 2, ..EventFilter::newest(EventScope::All, 10) };
    assert_eq!(numbers(&it, &of_ben).await, (vec![], Some(4)));
    assert_eq!(numbers(&it, &EventFilter { before: 4, ..of_ben.clone() }).await, (vec![], Some(2)));
    assert_eq!(numbers(&it, &EventFilter { before: 2, ..of_ben }).await, (vec![], None));
}

async fn rejections(it: Fixture) {
    let event =
        |kind, count: u64, at| AuditEvent::new(Actor::Client("processor".into()), kind, at).with("count", count);
    let (now, later) = (it.now(), it.now().after(Duration::from_mins(1)));
    let events = [
        event(AuditKind::NotificationRejected, 1, now),
        event(AuditKind::NotificationRejected, 2, later),
        event(AuditKind::NotificationRejected, 3, later),
        event(AuditKind::Reloaded, 4, later),
    ];
    it.store.audit_events().record(&events).await.unwrap();

    let counts = async |limit| {
        let lines = it.store.reports().rejections(limit).await.unwrap();
        assert!(lines.iter().all(|line| line.actor == "client:processor" && line.kind == "notification_rejected"));
        let detail = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        lines.iter().map(|line| detail(&line.detail)["count"].as_u64().unwrap()).collect::<Vec<_>>()
    };

    assert_eq!(counts(10).await, [3, 2, 1]);
    assert_eq!(counts(2).await, [3, 2]);
}

async fn one_event_each(it: Fixture) {
    let held = it.held().await;
    let id = held.id.0;

    let held = it.store.record_attempt(held, it.deferred(1)).await.unwrap();
    it.store.postpone(held, Some(it.deferred(2)), it.now()).await.unwrap();
    let held = it.claim_one().await;
    it.store.settle(held, it.taken(3)).await.unwrap();

    assert_eq!(it.events(id).await, ["accepted", "attempted", "postponed", "sent"]);
    assert_eq!(it.store.reports().delivery(id).await.unwrap().unwrap().attempts.len(), 3);
}

async fn no_event(it: Fixture) {
    let keyed = |code: &str| {
        let dedupe = Dedupe::ByKey("key".to_owned(), Duration::from_hours(72));
        Acceptance { dedupe, ..it.code(code) }
    };
    let Accepted::New(Some(held)) = it.store.accept(keyed("11111111")).await.unwrap() else { unreachable!() };
    it.store.accept(keyed("11111111")).await.unwrap();
    it.store.accept(keyed("22222222")).await.unwrap();
    it.store.renew(&[held.lease()]).await.unwrap();
    it.clock.move_on(LEASE);
    let taken_over = it.claim_one().await;
    it.store.settle(*held, it.taken(1)).await.unwrap_err();

    assert_eq!(it.events(taken_over.id.0).await, ["accepted", "claimed"]);
}

async fn one_event_for_a_wait(it: Fixture) {
    let held = it.held().await;
    let id = held.id.0;
    it.store.postpone(held, None, it.now()).await.unwrap();
    for _ in 0..3 {
        let until = it.now().after(Duration::from_secs(1));
        it.store.postpone(it.claim_one().await, None, until).await.unwrap();
        assert_eq!(it.store.next_due().await.unwrap(), Some(until));
        it.clock.move_on(Duration::from_secs(1));
    }
    assert_eq!(it.events(id).await, ["accepted", "postponed"]);

    // What happens between two waits makes them two, also when a worker died.
    it.store.postpone(it.claim_one().await, Some(it.deferred(1)), it.now()).await.unwrap();
    it.store.postpone(it.claim_one().await, None, it.now()).await.unwrap();
    let held = it.store.record_attempt(it.claim_one().await, it.deferred(2)).await.unwrap();
    it.store.postpone(held, None, it.now()).await.unwrap();
    drop(it.claim_one().await);
    it.clock.move_on(LEASE);
    it.store.postpone(it.claim_one().await, None, it.now()).await.unwrap();
    it.store.settle(it.claim_one().await, it.taken(3)).await.unwrap();

    let later = ["postponed", "attempted", "postponed", "claimed", "postponed", "sent"];
    assert_eq!(it.events(id).await, [["accepted", "postponed"].as_slice(), &later].concat());
}

async fn endings(it: Fixture) {
    for (reason, state) in [
        (EndReason::UnknownRecipient, "undeliverable"),
        (EndReason::Suppressed, "undeliverable"),
        (EndReason::NoContact, "undeliverable"),
        (EndReason::AllRejected, "undeliverable"),
        (EndReason::DeadlinePassed, "expired"),
        (EndReason::Unreadable, "expired"),
        (EndReason::Stale, "not_sent"),
        (EndReason::Superseded, "superseded"),
        (EndReason::RateLimited, "undeliverable"),
        (EndReason::CountryNotAllowed, "undeliverable"),
    ] {
        let held = it.held().await;
        let id = held.id.0;
        it.clock.move_on(Duration::from_secs(1));
        it.store.give_up(held, None, reason).await.unwrap();
        let line = it.store.reports().delivery(id).await.unwrap().unwrap().line;
        assert_eq!((line.state.as_str(), line.end_reason.as_deref()), (state, Some(reason.name())));
        assert_eq!(line.ended_at, Some(it.now()));
    }
}

async fn attempts(it: Fixture) {
    let held = it.held().await;
    let id = held.id.0;
    let attempt = it.attempt(1, Outcome::accepted(Reference::new("sms-7")));

    it.store.settle(held, attempt.clone()).await.unwrap();

    let detail = it.store.reports().delivery(id).await.unwrap().unwrap();
    assert_eq!(detail.attempts, [attempt]);
    assert!(detail.line.last.unwrap().contains("+48*****0200"));
}

async fn order(it: Fixture) {
    let first = it.held().await;
    let second = it.held().await;
    let (one, other) = (first.id.0, second.id.0);
    it.store.settle(second, it.taken(1)).await.unwrap();
    it.store.settle(first, it.taken(1)).await.unwrap();

    let mut all = Vec::new();
    for id in [one, other] {
        let detail = it.store.reports().delivery(id).await.unwrap().unwrap();
        all.extend(detail.events.into_iter().map(|event| event.seq));
    }

    all.sort_unstable();
    assert_eq!(all, [1, 2, 3, 4]);
}

async fn shredded(it: Fixture) {
    it.held().await;
    it.clock.move_on(Duration::from_hours(1));

    let destroyed = it.store.shred_keys(it.now(), Duration::from_mins(5)).unwrap();
    let claimed = it.claim_one().await;

    assert_eq!(destroyed, 1);
    assert!(claimed.content.is_none());
    it.store.give_up(claimed, None, EndReason::Unreadable).await.unwrap();
}

async fn silent(it: Fixture) {
    let held = it.held().await;
    let id = held.id.0;
    it.store.settle(held, it.taken(1)).await.unwrap();

    let detail = format!("{:?}", it.store.reports().delivery(id).await.unwrap().unwrap());

    assert!(!detail.contains("48151623") && !detail.contains("\"1337\""), "{detail}");
}
