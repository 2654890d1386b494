//! What providers are owed: a running sum of the attempts that they accepted or may have accepted.

use std::time::Duration;

use otpost::domain::clock::Timestamp;
use otpost::domain::delivery::{EndReason, ProviderName};
use otpost::domain::outcome::{Cause, Outcome};
use otpost::store::LEASE;
use otpost::store::providers::Billed;

use super::{Fixture, Promise};

pub(super) const PROMISES: &[Promise] = &[
    ("accepted and unknown attempts are summed by provider and minute", |it| Box::pin(summed(it))),
    ("an attempt that was not written is not owed", |it| Box::pin(not_written(it))),
    ("what is owed survives a restart and the removal of old sums", |it| Box::pin(kept(it))),
];

fn owed(at: Timestamp, messages: u64) -> Billed {
    Billed { provider: ProviderName("primary".to_owned()), at, messages }
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
