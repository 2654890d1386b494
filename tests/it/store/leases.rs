//! Who works on a delivery, and until when.

use std::time::Duration;

use otpost::domain::clock::Clock;
use otpost::domain::contact::Channel;
use otpost::domain::delivery::EndReason;
use otpost::domain::notification::Priority;
use otpost::domain::outcome::{Cause, Outcome};
use otpost::domain::recipient::RecipientId;
use otpost::store::{Acceptance, Error, LEASE, Share};
use uuid::Uuid;

use super::{Promise, Room};

pub(super) const PROMISES: &[Promise] = &[
    ("what is not leased is claimed by one", |room| Box::pin(claimed_by_one(room))),
    ("what is claimed is opened with all that was tried", |room| Box::pin(claimed_whole(room))),
    ("a claim takes no more than asked for, the earliest first", |room| Box::pin(claim_limit(room))),
    ("a lease that ran out is taken over in doubt", |room| Box::pin(taken_over_in_doubt(room))),
    ("a late worker changes nothing", |room| Box::pin(fence(room))),
    ("a renewed lease does not run out", |room| Box::pin(renewed(room))),
    ("a lease that was lost cannot be renewed", |room| Box::pin(renewed_too_late(room))),
    ("a released delivery is due at once and in doubt", |room| Box::pin(released(room))),
    ("a new process takes over what was held and not what waits", |room| Box::pin(take_over(room))),
    ("what was postponed waits for its time and is not in doubt", |room| Box::pin(postponed(room))),
    ("an attempt that failed keeps the lease", |room| Box::pin(go_on(room))),
    ("a split gives each person a delivery of their own", |room| Box::pin(split(room))),
    ("a delivery keeps the channels it was given", |room| Box::pin(split_by_channel(room))),
    ("a late split adds nothing", |room| Box::pin(late_split(room))),
    ("what has ended is not claimed again", |room| Box::pin(ended(room))),
];

async fn claimed_by_one(room: Room) {
    room.store.accept(Acceptance { leased: false, ..room.code("11111111") }).await.unwrap();

    let (one, other) = tokio::join!(room.store.claim(Priority::Otp, 10), room.store.claim(Priority::Otp, 10));

    let claims: Vec<_> = one.unwrap().into_iter().chain(other.unwrap()).collect();
    assert_eq!(claims.len(), 1);
    assert!(!claims[0].in_doubt);
}

async fn claimed_whole(room: Room) {
    let held = room.held().await;
    let id = held.id;
    let deferred =
        room.attempt(1, Outcome::Deferred { cause: Cause::Throttled, retry_after: Some(Duration::from_secs(3)) });
    let held = room.store.go_on(held, deferred.clone()).await.unwrap();
    room.store.postpone(held, Some(room.attempt(2, Outcome::unknown(Cause::TimedOut))), room.now()).await.unwrap();

    let claimed = room.claim_one().await;

    assert_eq!((claimed.id, claimed.in_doubt), (id, false));
    assert_eq!(claimed.attempts, [deferred, room.attempt(2, Outcome::unknown(Cause::TimedOut))]);
    assert_eq!(claimed.subjects[0].value, "1337");
    assert!(claimed.content.is_some());
}

async fn claim_limit(room: Room) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        let acceptance = Acceptance { leased: false, ..room.code("11111111") };
        ids.push(acceptance.notification.id);
        room.store.accept(acceptance).await.unwrap();
        room.clock.move_on(Duration::from_millis(1));
    }

    let mut first: Vec<_> =
        room.store.claim(Priority::Otp, 2).await.unwrap().iter().map(|claimed| claimed.notification).collect();
    first.sort();
    let rest = room.store.claim(Priority::Otp, 10).await.unwrap();

    assert_eq!(first, ids[..2]);
    assert_eq!(rest.len(), 3);
}

async fn taken_over_in_doubt(room: Room) {
    let first = room.held().await;
    room.clock.move_on(LEASE / 5 * 4);
    assert!(room.nothing_is_due().await);

    room.clock.move_on(LEASE / 5);
    let second = room.claim_one().await;

    assert_eq!(second.id, first.id);
    assert!(second.in_doubt && second.lease() != first.lease());
}

async fn fence(room: Room) {
    let id = room.held().await.id.0;
    for late in 0..5 {
        room.clock.move_on(LEASE);
        let slow = room.claim_one().await;
        room.clock.move_on(LEASE);
        let fast = room.claim_one().await;
        let before = room.events(id).await;
        let lost = match late {
            0 => room.store.settle(slow, room.taken(1)).await,
            1 => room.store.go_on(slow, room.deferred(1)).await.map(drop),
            2 => room.store.postpone(slow, Some(room.deferred(1)), room.now()).await,
            3 => room.store.give_up(slow, None, EndReason::AllRefused).await,
            _ => room.store.leave_unconfirmed(slow, Some(room.deferred(1))).await,
        };
        assert!(matches!(lost, Err(Error::LeaseLost(lost)) if lost.0 == id), "{late}: {lost:?}");
        let told = room.store.delivery(id).await.unwrap().unwrap();
        assert_eq!((told.line.state.as_str(), told.attempts.len()), ("open", 0), "{late}");
        assert_eq!(room.events(id).await, before, "{late}");
        drop(fast);
    }

    room.clock.move_on(LEASE);
    let last = room.claim_one().await;
    room.store.settle(last, room.taken(1)).await.unwrap();
    assert_eq!(room.state(id).await, "sent");
}

async fn renewed(room: Room) {
    let held = room.held().await;
    room.clock.move_on(LEASE / 3);
    room.store.renew(&[held.lease()]).await.unwrap();

    room.clock.move_on(LEASE / 3 * 2);
    assert!(room.nothing_is_due().await);

    room.clock.move_on(LEASE / 3);
    assert!(room.claim_one().await.in_doubt);
}

async fn renewed_too_late(room: Room) {
    let slow = room.held().await;
    room.clock.move_on(LEASE);
    let fast = room.claim_one().await;
    room.clock.move_on(LEASE / 2);

    room.store.renew(&[slow.lease()]).await.unwrap();

    room.clock.move_on(LEASE / 2);
    assert_eq!(room.claim_one().await.id, fast.id);
}

async fn released(room: Room) {
    let held = room.held().await;
    room.store.release(&[held.lease()]).await.unwrap();

    let again = room.claim_one().await;

    assert_eq!(again.id, held.id);
    assert!(again.in_doubt);
}

async fn take_over(room: Room) {
    let in_hand = room.held().await.id;
    let waiting = room.held().await;
    room.store.postpone(waiting, Some(room.deferred(1)), room.now().after(LEASE)).await.unwrap();

    let room = room.reopened().await;
    let count = room.store.take_over().await.unwrap();

    assert_eq!(count, 1);
    let claimed = room.claim_one().await;
    assert_eq!((claimed.id, claimed.in_doubt), (in_hand, true));
}

async fn postponed(room: Room) {
    let held = room.held().await;
    let until = room.now().after(Duration::from_secs(2));
    room.store.postpone(held, Some(room.deferred(1)), until).await.unwrap();
    assert_eq!(room.store.next_due().await.unwrap(), Some(until));
    assert!(room.nothing_is_due().await);

    room.clock.move_on(Duration::from_secs(2));
    let claimed = room.claim_one().await;

    assert_eq!((claimed.in_doubt, claimed.attempts.len()), (false, 1));
}

async fn go_on(room: Room) {
    let held = room.held().await;
    room.clock.move_on(LEASE / 2);
    let held = room.store.go_on(held, room.deferred(1)).await.unwrap();

    room.clock.move_on(LEASE / 2);

    assert!(room.nothing_is_due().await);
    assert_eq!(held.attempts.len(), 1);
    room.store.settle(held, room.taken(2)).await.unwrap();
}

async fn split(room: Room) {
    let recipients = [1, 2, 3].map(|number| RecipientId(Uuid::from_u128(number)));
    let held = room.held().await;
    let (id, notification) = (held.id, held.notification);

    let held = room.store.split(held, &recipients.map(whole)).await.unwrap();

    let mut given: Vec<_> = held.iter().map(|claimed| claimed.recipient.unwrap()).collect();
    given.sort();
    assert_eq!(given, recipients);
    assert!(held.iter().any(|claimed| claimed.id == id && claimed.recipient == Some(recipients[0])));
    assert!(held.iter().all(|claimed| claimed.notification == notification && claimed.content.is_some()));
    assert!(room.nothing_is_due().await);
    for claimed in held {
        room.store.settle(claimed, room.taken(1)).await.unwrap();
    }
    assert_eq!((room.count().await, room.store.next_due().await.unwrap()), (3, None));
}

async fn split_by_channel(room: Room) {
    let recipient = RecipientId(Uuid::from_u128(1));
    let channels = [vec![Channel::Push, Channel::Sms], vec![Channel::Email]];
    let shares = channels.clone().map(|channels| Share { recipient, channels });
    let held = room.store.split(room.held().await, &shares).await.unwrap();

    for claimed in held {
        room.store.postpone(claimed, None, room.clock.now()).await.unwrap();
    }
    let mut claimed = room.store.claim(Priority::Otp, 2).await.unwrap();

    claimed.sort_by_key(|claimed| claimed.id);
    assert_eq!(claimed.iter().map(|claimed| claimed.channels.clone()).collect::<Vec<_>>(), channels);
    assert!(claimed.iter().all(|claimed| claimed.recipient == Some(recipient)));
}

fn whole(recipient: RecipientId) -> Share {
    Share { recipient, channels: Vec::new() }
}

async fn late_split(room: Room) {
    let slow = room.held().await;
    room.clock.move_on(LEASE);
    let fast = room.claim_one().await;

    let lost = room.store.split(slow, &[1, 2].map(|number| whole(RecipientId(Uuid::from_u128(number))))).await;

    assert!(matches!(lost, Err(Error::LeaseLost(id)) if id == fast.id), "{lost:?}");
    assert_eq!(room.count().await, 1);
}

async fn ended(room: Room) {
    room.store.settle(room.held().await, room.taken(1)).await.unwrap();
    room.store.give_up(room.held().await, None, EndReason::UnknownRecipient).await.unwrap();
    room.store.leave_unconfirmed(room.held().await, Some(room.deferred(1))).await.unwrap();

    room.clock.move_on(LEASE * 100);

    assert_eq!(room.store.next_due().await.unwrap(), None);
    assert!(room.nothing_is_due().await);
    assert_eq!(room.store.take_over().await.unwrap(), 0);
}
