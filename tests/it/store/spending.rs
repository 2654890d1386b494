//! What providers are owed.

use otpost::domain::delivery::Attempt;
use otpost::domain::outcome::{Cause, Outcome};

use super::{Fixture, Promise};

pub(super) const PROMISES: &[Promise] =
    &[("every segment of an SMS that was or may have been accepted is billed", |it| Box::pin(segments_are_billed(it)))];

async fn segments_are_billed(it: Fixture) {
    let sms = |number, segments, outcome| Attempt { segments: Some(segments), ..it.attempt(number, outcome) };
    let held = it.store.record_attempt(it.held().await, sms(1, 3, Outcome::unknown(Cause::TimedOut))).await.unwrap();
    let held = it.store.record_attempt(held, sms(2, 5, Outcome::deferred(Cause::ProviderDown))).await.unwrap();
    it.store.settle(held, sms(3, 2, Outcome::accepted(None))).await.unwrap();
    it.store.settle(it.held().await, it.taken(1)).await.unwrap();

    let billed = it.store.providers().billed(it.now()).await.unwrap();

    assert_eq!(billed.iter().map(|it| it.units).sum::<u64>(), 3 + 2 + 1);
}
