//! What providers are owed: a running sum of the attempts that they accepted or may have accepted.

use std::time::Duration;

use otpost::domain::clock::Timestamp;
use otpost::domain::delivery::{Attempt, EndReason, ProviderName};
use otpost::domain::outcome::{Cause, Outcome};
use otpost::store::LEASE;
use otpost::store::providers::Billed;

use super::{Fixture, Promise};

pub(super) const PROMISES: &[Promise] = &[
    ("accepted and unknown attempts are summed by provider and minute", |it| Box::pin(summed(it))),
    ("every segment of an SMS that was or may have been accepted is billed", |it| Box::pin(segments_are_billed(it))),
    ("an attempt that was not written is not owed", |it| Box::pin(not_written(it))),
    ("what is owed survives a restart and the removal of old sums", |it| Box::pin(kept(it))),
];

fn owed(at: Timestamp, units: u64) -> Billed {
    Billed { provider: ProviderName("primary".to_owned()), at, units }
}

async fn summed(it: Fixture) {
    let first = it.now();
    let held = it.store.record_attempt(it.held().await, it.deferred(1)).await.unwrap();
    it.store.settle(held, it.taken(2)).await.unwrap();
    it.store.leave_unconfirmed(it.held().await, Some(it.attempt(1, Outcome::unknown(Cause::TimedOut)))).await.unwrap();
    it.store.give_up(it.held().await, Some(it.deferred(1)), EndReason::AllRejected).await.unwrap();
    assert_eq!(it.store.providers().billed(it.now()).await.unwrap(), [owed(first, 2)]);

    it.clock.move_on(Duration::from_mins(30));
    let second = it.now();
    it.store.settle(it.held().await, it.taken(1)).await.unwrap();
    assert_eq!(it.store.providers().billed(it.now()).await.unwrap(), [owed(first, 2), owed(second, 1)]);

    it.clock.move_on(Duration::from_mins(40));
    assert_eq!(it.store.providers().billed(it.now()).await.unwrap(), [owed(second, 1)]);
}

async fn not_written(it: Fixture) {
    let slow = it.held().await;
    it.clock.move_on(LEASE);
    drop(it.claim_one().await);

    it.store.settle(slow, it.taken(1)).await.unwrap_err();

    assert_eq!(it.store.providers().billed(it.now()).await.unwrap(), []);
}

async fn kept(it: Fixture) {
    it.store.settle(it.held().await, it.taken(1)).await.unwrap();
    it.clock.move_on(Duration::from_hours(3));
    let at = it.now();
    it.store.settle(it.held().await, it.taken(1)).await.unwrap();
    while it.store.retention().prune_keys(it.now()).await.unwrap() > 0 {}

    let it = it.reopened().await;

    assert_eq!(it.store.providers().billed(it.now()).await.unwrap(), [owed(at, 1)]);
}

async fn segments_are_billed(it: Fixture) {
    let sms = |number, segments, outcome| Attempt { segments: Some(segments), ..it.attempt(number, outcome) };
    let held = it.store.record_attempt(it.held().await, sms(1, 3, Outcome::unknown(Cause::TimedOut))).await.unwrap();
    let held = it.store.record_attempt(held, sms(2, 5, Outcome::deferred(Cause::ProviderDown))).await.unwrap();
    it.store.settle(held, sms(3, 2, Outcome::accepted(None))).await.unwrap();
    it.store.settle(it.held().await, it.taken(1)).await.unwrap();

    let billed = it.store.providers().billed(it.now()).await.unwrap();

    assert_eq!(billed.iter().map(|it| it.units).sum::<u64>(), 3 + 2 + 1);
}
