//! Claims and leases.

use std::time::Duration;

use otpost::domain::clock::Clock;
use otpost::domain::contact::Channel;
use otpost::domain::delivery::EndReason;
use otpost::domain::notification::Priority;
use otpost::domain::outcome::{Cause, Outcome};
use otpost::domain::recipient::RecipientId;
use otpost::store::reports::DeliveryFilter;
use otpost::store::{Acceptance, Error, LEASE, Share};
use uuid::Uuid;

use super::{Fixture, Promise};

pub(super) const PROMISES: &[Promise] = &[
    ("a delivery without a lease is claimed once", |it| Box::pin(claimed_by_one(it))),
    ("a claimed delivery has its content and all earlier attempts", |it| Box::pin(claimed_whole(it))),
    ("a claim returns at most its limit, the earliest first", |it| Box::pin(claim_limit(it))),
    ("a delivery whose lease expired is claimed in doubt", |it| Box::pin(claimed_in_doubt(it))),
    ("a worker that lost its lease changes nothing", |it| Box::pin(fence(it))),
    ("a renewed lease does not expire", |it| Box::pin(renewed(it))),
    ("a lost lease cannot be renewed", |it| Box::pin(renewed_too_late(it))),
    ("a released delivery is due at once and in doubt", |it| Box::pin(released(it))),
    ("a new process resumes leased deliveries and not postponed ones", |it| Box::pin(resumed(it))),
    ("a postponed delivery is due at its time and not in doubt", |it| Box::pin(postponed(it))),
    ("a recorded attempt keeps the lease", |it| Box::pin(recorded_attempt(it))),
    ("a split gives each recipient a delivery", |it| Box::pin(split(it))),
    ("deliveries to a recipient are found since a time", |it| Box::pin(found_by_recipient(it))),
    ("a delivery keeps the channels it was given", |it| Box::pin(split_by_channel(it))),
    ("a split after a lost lease adds nothing", |it| Box::pin(late_split(it))),
    ("an ended delivery is not claimed again", |it| Box::pin(ended(it))),
];

async fn found_by_recipient(it: Fixture) {
    let recipients = [1, 2].map(|number| RecipientId(Uuid::from_u128(number)));
    let shares = recipients.map(|recipient| Share { recipient, channels: Vec::new() });
    it.store.split(it.held().await, &shares).await.unwrap();
    let hour = Duration::from_hours(1);
    let found = async |recipient, since, limit| {
        let filter = DeliveryFilter { recipient: Some(recipient), from: Some(since), ..DeliveryFilter::newest(limit) };
        let lines = it.store.reports().deliveries(&filter).await.unwrap().lines;
        lines.into_iter().map(|line| line.recipient).collect::<Vec<_>>()
    };

    for recipient in recipients {
        assert_eq!(found(recipient, it.now().before(hour), 10).await, [Some(recipient.0)]);
        assert!(found(recipient, it.now().after(hour), 10).await.is_empty());
    }
    assert!(found(RecipientId(Uuid::from_u128(3)), it.now().before(hour), 10).await.is_empty());
}

async fn claimed_by_one(it: Fixture) {
    it.store.accept(Acceptance { leased: false, ..it.code("11111111") }).await.unwrap();

    let (one, other) = tokio::join!(it.store.claim(Priority::Otp, 10), it.store.claim(Priority::Otp, 10));

    let claims: Vec<_> = one.unwrap().into_iter().chain(other.unwrap()).collect();
    assert_eq!(claims.len(), 1);
    assert!(!claims[0].in_doubt);
}

async fn claimed_whole(it: Fixture) {
    let held = it.held().await;
    let id = held.id;
    let deferred =
        it.attempt(1, Outcome::Deferred { cause: Cause::Throttled, retry_after: Some(Duration::from_secs(3)) });
    let held = it.store.record_attempt(held, deferred.clone()).await.unwrap();
    let held = it.store.record_attempt(held, it.detailed(2)).await.unwrap();
    it.store.postpone(held, Some(it.attempt(3, Outcome::unknown(Cause::TimedOut))), it.now()).await.unwrap();

    let claimed = it.claim_one().await;

    assert_eq!((claimed.id, claimed.in_doubt), (id, false));
    assert_eq!(claimed.attempts, [deferred, it.detailed(2), it.attempt(3, Outcome::unknown(Cause::TimedOut))]);
    assert_eq!(claimed.identifiers[0].value, "1337");
    assert!(claimed.content.is_some());
}

async fn claim_limit(it: Fixture) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        let acceptance = Acceptance { leased: false, ..it.code("11111111") };
        ids.push(acceptance.notification.id);
        it.store.accept(acceptance).await.unwrap();
        it.clock.move_on(Duration::from_millis(1));
    }

    let mut first: Vec<_> =
        it.store.claim(Priority::Otp, 2).await.unwrap().iter().map(|claimed| claimed.notification).collect();
    first.sort();
    let rest = it.store.claim(Priority::Otp, 10).await.unwrap();

    assert_eq!(first, ids[..2]);
    assert_eq!(rest.len(), 3);
}

async fn claimed_in_doubt(it: Fixture) {
    let first = it.held().await;
    it.clock.move_on(LEASE / 5 * 4);
    assert!(it.nothing_is_due().await);

    it.clock.move_on(LEASE / 5);
    let second = it.claim_one().await;

    assert_eq!(second.id, first.id);
    assert!(second.in_doubt && second.lease() != first.lease());
}

async fn fence(it: Fixture) {
    let id = it.held().await.id.0;
    for late in 0..5 {
        it.clock.move_on(LEASE);
        let slow = it.claim_one().await;
        it.clock.move_on(LEASE);
        let fast = it.claim_one().await;
        let before = it.events(id).await;
        let lost = match late {
            0 => it.store.settle(slow, it.taken(1)).await,
            1 => it.store.record_attempt(slow, it.deferred(1)).await.map(drop),
            2 => it.store.postpone(slow, Some(it.deferred(1)), it.now()).await,
            3 => it.store.give_up(slow, None, EndReason::AllRejected).await,
            _ => it.store.leave_unconfirmed(slow, Some(it.deferred(1))).await,
        };
        assert!(matches!(lost, Err(Error::LeaseLost(lost)) if lost.0 == id), "{late}: {lost:?}");
        let detail = it.store.reports().delivery(id).await.unwrap().unwrap();
        assert_eq!((detail.line.state.as_str(), detail.attempts.len()), ("open", 0), "{late}");
        assert_eq!(it.events(id).await, before, "{late}");
        drop(fast);
    }

    it.clock.move_on(LEASE);
    let last = it.claim_one().await;
    it.store.settle(last, it.taken(1)).await.unwrap();
    assert_eq!(it.state(id).await, "sent");
}

async fn renewed(it: Fixture) {
    let held = it.held().await;
    it.clock.move_on(LEASE / 3);
    it.store.renew(&[held.lease()]).await.unwrap();

    it.clock.move_on(LEASE / 3 * 2);
    assert!(it.nothing_is_due().await);

    it.clock.move_on(LEASE / 3);
    assert!(it.claim_one().await.in_doubt);
}

async fn renewed_too_late(it: Fixture) {
    let slow = it.held().await;
    it.clock.move_on(LEASE);
    let fast = it.claim_one().await;
    it.clock.move_on(LEASE / 2);

    it.store.renew(&[slow.lease()]).await.unwrap();

    it.clock.move_on(LEASE / 2);
    assert_eq!(it.claim_one().await.id, fast.id);
}

async fn released(it: Fixture) {
    let held = it.held().await;
    it.store.release(&[held.lease()]).await.unwrap();

    let again = it.claim_one().await;

    assert_eq!(again.id, held.id);
    assert!(again.in_doubt);
}

async fn resumed(it: Fixture) {
    let leased = it.held().await.id;
    let waiting = it.held().await;
    it.store.postpone(waiting, Some(it.deferred(1)), it.now().after(LEASE)).await.unwrap();

    let it = it.reopened().await;
    let count = it.store.resume().await.unwrap();

    assert_eq!(count, 1);
    let claimed = it.claim_one().await;
    assert_eq!((claimed.id, claimed.in_doubt), (leased, true));
}

async fn postponed(it: Fixture) {
    let held = it.held().await;
    let until = it.now().after(Duration::from_secs(2));
    it.store.postpone(held, Some(it.deferred(1)), until).await.unwrap();
    assert_eq!(it.store.next_due().await.unwrap(), Some(until));
    assert!(it.nothing_is_due().await);

    it.clock.move_on(Duration::from_secs(2));
    let claimed = it.claim_one().await;

    assert_eq!((claimed.in_doubt, claimed.attempts.len()), (false, 1));
}

async fn recorded_attempt(it: Fixture) {
    let held = it.held().await;
    it.clock.move_on(LEASE / 2);
    let held = it.store.record_attempt(held, it.deferred(1)).await.unwrap();

    it.clock.move_on(LEASE / 2);

    assert!(it.nothing_is_due().await);
    assert_eq!(held.attempts.len(), 1);
    it.store.settle(held, it.taken(2)).await.unwrap();
}

async fn split(it: Fixture) {
    let recipients = [1, 2, 3].map(|number| RecipientId(Uuid::from_u128(number)));
    let held = it.held().await;
    let (id, notification) = (held.id, held.notification);

    let held = it.store.split(held, &recipients.map(whole)).await.unwrap();

    let mut given: Vec<_> = held.iter().map(|claimed| claimed.recipient.unwrap()).collect();
    given.sort();
    assert_eq!(given, recipients);
    assert!(held.iter().any(|claimed| claimed.id == id && claimed.recipient == Some(recipients[0])));
    assert!(held.iter().all(|claimed| claimed.notification == notification && claimed.content.is_some()));
    assert!(it.nothing_is_due().await);
    for claimed in held {
        it.store.settle(claimed, it.taken(1)).await.unwrap();
    }
    assert_eq!((it.count().await, it.store.next_due().await.unwrap()), (3, None));
}

async fn split_by_channel(it: Fixture) {
    let recipient = RecipientId(Uuid::from_u128(1));
    let channels = [vec![Channel::Push, Channel::Sms], vec![Channel::Email]];
    let shares = channels.clone().map(|channels| Share { recipient, channels });
    let held = it.store.split(it.held().await, &shares).await.unwrap();

    for claimed in held {
        it.store.postpone(claimed, None, it.clock.now()).await.unwrap();
    }
    let mut claimed = it.store.claim(Priority::Otp, 2).await.unwrap();

    claimed.sort_by_key(|claimed| claimed.id);
    assert_eq!(claimed.iter().map(|claimed| claimed.channels.clone()).collect::<Vec<_>>(), channels);
    assert!(claimed.iter().all(|claimed| claimed.recipient == Some(recipient)));
}

fn whole(recipient: RecipientId) -> Share {
    Share { recipient, channels: Vec::new() }
}

async fn late_split(it: Fixture) {
    let slow = it.held().await;
    it.clock.move_on(LEASE);
    let fast = it.claim_one().await;

    let lost = it.store.split(slow, &[1, 2].map(|number| whole(RecipientId(Uuid::from_u128(number))))).await;

    assert!(matches!(lost, Err(Error::LeaseLost(id)) if id == fast.id), "{lost:?}");
    assert_eq!(it.count().await, 1);
}

async fn ended(it: Fixture) {
    it.store.settle(it.held().await, it.taken(1)).await.unwrap();
    it.store.give_up(it.held().await, None, EndReason::UnknownRecipient).await.unwrap();
    it.store.leave_unconfirmed(it.held().await, Some(it.deferred(1))).await.unwrap();

    it.clock.move_on(LEASE * 100);

    assert_eq!(it.store.next_due().await.unwrap(), None);
    assert!(it.nothing_is_due().await);
    assert_eq!(it.store.resume().await.unwrap(), 0);
}
