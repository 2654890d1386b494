//! Removal of what is too old.

use std::time::Duration;

use otpost::domain::delivery::Attempt;
use otpost::flow::tasks::cleanup::{Settings, purge_once};

use super::{Fixture, Promise};

pub(super) const PROMISES: &[Promise] = &[
    ("ended deliveries are removed after their retention, in steps, and their audit events stay", |it| {
        Box::pin(ended_deliveries_are_removed(it))
    }),
    ("open deliveries are not removed however old they are", |it| Box::pin(open_deliveries_stay(it))),
    ("masked contacts, their hashes and failure details are removed before the rest of an attempt", |it| {
        Box::pin(masked_contacts_are_removed_first(it))
    }),
];

const DAY: Duration = Duration::from_hours(24);

async fn ended_deliveries_are_removed(it: Fixture) {
    for _ in 0..250 {
        it.store.settle(it.held().await, it.taken(1)).await.unwrap();
    }
    it.clock.move_on(DAY * 395);
    assert!(!step(&it, Settings { contacts_days: 1000, ..Settings::default() }).await);
    it.clock.move_on(DAY * 2);

    let mut left = Vec::new();
    while step(&it, Settings { contacts_days: 1000, ..Settings::default() }).await {
        left.push(it.count().await);
    }

    assert_eq!(left, [150, 50, 0]);
}

async fn open_deliveries_stay(it: Fixture) {
    let open = it.held().await;
    it.clock.move_on(DAY * 4000);

    while step(&it, Settings { deliveries_days: 0, contacts_days: 0 }).await {}

    assert_eq!(it.state(open.id.0).await, "open");
}

async fn masked_contacts_are_removed_first(it: Fixture) {
    let claimed = it.held().await;
    let id = claimed.id.0;
    let claimed = it.store.record_attempt(claimed, it.detailed(1)).await.unwrap();
    it.store.settle(claimed, it.taken(2)).await.unwrap();

    it.clock.move_on(DAY * 89);
    while step(&it, Settings::default()).await {}
    let before = it.store.reports().delivery(id).await.unwrap().unwrap().attempts;
    it.clock.move_on(DAY * 2);
    while step(&it, Settings::default()).await {}
    let after = it.store.reports().delivery(id).await.unwrap().unwrap().attempts;

    assert_eq!((before[0].masked_contact.as_str(), after[0].masked_contact.as_str()), ("+48*****0200", "removed"));
    assert!(before[0].detail.is_some() && after[0].detail.is_none());
    assert_eq!((before[0].contact_hash, after[0].contact_hash), (Some([7; 16]), None));
    let stays = |attempt: &Attempt| (attempt.provider.clone(), attempt.segments, attempt.country);
    assert_eq!((stays(&before[0]), before[0].country), (stays(&after[0]), "PL".parse().ok()));
}

async fn step(it: &Fixture, settings: Settings) -> bool {
    purge_once(&it.store, it.clock.as_ref(), settings).await.unwrap()
}
