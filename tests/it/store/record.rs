//! What is kept of a delivery: attempts, audit events, and a code only as long as it is needed.

use std::time::Duration;

use otpost::domain::delivery::EndReason;
use otpost::domain::outcome::Outcome;
use otpost::domain::outcome::Reference;
use otpost::store::{Acceptance, Accepted, Dedupe, LEASE};

use super::{Promise, Room};

pub(super) const PROMISES: &[Promise] = &[
    ("each change of a delivery is one audit event", |room| Box::pin(one_event_each(room))),
    ("what changes nothing is no audit event", |room| Box::pin(no_event(room))),
    ("an ending is written with its reason and its time", |room| Box::pin(endings(room))),
    ("an attempt is read back as it was written", |room| Box::pin(attempts(room))),
    ("events are numbered in their order", |room| Box::pin(order(room))),
    ("a code whose key is gone is a delivery without content", |room| Box::pin(shredded(room))),
    ("no event says the code", |room| Box::pin(silent(room))),
];

async fn one_event_each(room: Room) {
    let held = room.held().await;
    let id = held.id.0;

    let held = room.store.go_on(held, room.deferred(1)).await.unwrap();
    room.store.postpone(held, Some(room.deferred(2)), room.now()).await.unwrap();
    let held = room.claim_one().await;
    room.store.settle(held, room.taken(3)).await.unwrap();

    assert_eq!(room.events(id).await, ["accepted", "attempted", "postponed", "claimed", "sent"]);
    assert_eq!(room.store.delivery(id).await.unwrap().unwrap().attempts.len(), 3);
}

async fn no_event(room: Room) {
    let keyed = |code: &str| {
        let dedupe = Dedupe::ByKey("key".to_owned(), Duration::from_hours(72));
        Acceptance { dedupe, ..room.code(code) }
    };
    let Accepted::New(Some(held)) = room.store.accept(keyed("11111111")).await.unwrap() else { unreachable!() };
    room.store.accept(keyed("11111111")).await.unwrap();
    room.store.accept(keyed("22222222")).await.unwrap();
    room.store.renew(&[held.lease()]).await.unwrap();
    room.clock.move_on(LEASE);
    let taken_over = room.claim_one().await;
    room.store.settle(*held, room.taken(1)).await.unwrap_err();

    assert_eq!(room.events(taken_over.id.0).await, ["accepted", "claimed"]);
}

async fn endings(room: Room) {
    for (reason, state) in [
        (EndReason::UnknownRecipient, "undeliverable"),
        (EndReason::Suppressed, "undeliverable"),
        (EndReason::NoContact, "undeliverable"),
        (EndReason::AllRefused, "undeliverable"),
        (EndReason::AttemptsExhausted, "undeliverable"),
        (EndReason::DeadlinePassed, "expired"),
        (EndReason::Unreadable, "expired"),
        (EndReason::Stale, "recorded"),
        (EndReason::Superseded, "superseded"),
        (EndReason::RateLimited, "undeliverable"),
        (EndReason::CountryNotAllowed, "undeliverable"),
    ] {
        let held = room.held().await;
        let id = held.id.0;
        room.clock.move_on(Duration::from_secs(1));
        room.store.give_up(held, None, reason).await.unwrap();
        let line = room.store.delivery(id).await.unwrap().unwrap().line;
        assert_eq!((line.state.as_str(), line.end_reason.as_deref()), (state, Some(reason.name())));
        assert_eq!(line.ended_at, Some(room.now()));
    }
}

async fn attempts(room: Room) {
    let held = room.held().await;
    let id = held.id.0;
    let attempt = room.attempt(1, Outcome::accepted(Reference::new("sms-7")));

    room.store.settle(held, attempt.clone()).await.unwrap();

    let told = room.store.delivery(id).await.unwrap().unwrap();
    assert_eq!(told.attempts, [attempt]);
    assert!(told.line.last.unwrap().contains("+48*****0200"));
}

async fn order(room: Room) {
    let first = room.held().await;
    let second = room.held().await;
    let (one, other) = (first.id.0, second.id.0);
    room.store.settle(second, room.taken(1)).await.unwrap();
    room.store.settle(first, room.taken(1)).await.unwrap();

    let mut all = Vec::new();
    for id in [one, other] {
        let told = room.store.delivery(id).await.unwrap().unwrap();
        all.extend(told.events.into_iter().map(|event| event.seq));
    }

    all.sort_unstable();
    assert_eq!(all, [1, 2, 3, 4]);
}

async fn shredded(room: Room) {
    room.held().await;
    room.clock.move_on(Duration::from_hours(1));

    let destroyed = room.store.shred(room.now(), Duration::from_mins(5)).unwrap();
    let claimed = room.claim_one().await;

    assert_eq!(destroyed, 1);
    assert!(claimed.content.is_none());
    room.store.give_up(claimed, None, EndReason::Unreadable).await.unwrap();
}

async fn silent(room: Room) {
    let held = room.held().await;
    let id = held.id.0;
    room.store.settle(held, room.taken(1)).await.unwrap();

    let told = format!("{:?}", room.store.delivery(id).await.unwrap().unwrap());

    assert!(!told.contains("48151623") && !told.contains("1337"), "{told}");
}
