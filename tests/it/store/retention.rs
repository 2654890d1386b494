//! What is removed after its time, and what is not.

use std::time::Duration;

use otpost::flow::tasks::cleanup::{Settings, purge_once};

use super::{Promise, Room};

pub(super) const PROMISES: &[Promise] = &[
    ("what is over is removed after its time, in small steps, and its audit events stay", |room| {
        Box::pin(what_is_over_is_removed_after_its_time(room))
    }),
    ("what is open is not removed however old it is", |room| Box::pin(what_is_open_is_not_removed(room))),
    ("the masked address goes before the rest of an attempt", |room| Box::pin(the_masked_address_goes_first(room))),
];

const DAY: Duration = Duration::from_hours(24);

async fn what_is_over_is_removed_after_its_time(room: Room) {
    for _ in 0..250 {
        room.store.settle(room.held().await, room.taken(1)).await.unwrap();
    }
    room.clock.move_on(DAY * 395);
    assert!(!step(&room, Settings { addresses_days: 1000, ..Settings::default() }).await);
    room.clock.move_on(DAY * 2);

    let mut left = Vec::new();
    while step(&room, Settings { addresses_days: 1000, ..Settings::default() }).await {
        left.push(room.count().await);
    }

    assert_eq!(left, [150, 50, 0]);
}

async fn what_is_open_is_not_removed(room: Room) {
    let open = room.held().await;
    room.clock.move_on(DAY * 4000);

    while step(&room, Settings { deliveries_days: 0, addresses_days: 0 }).await {}

    assert_eq!(room.state(open.id.0).await, "open");
}

async fn the_masked_address_goes_first(room: Room) {
    let (claimed, attempt) = (room.held().await, room.taken(1));
    let id = claimed.id.0;
    room.store.settle(claimed, attempt).await.unwrap();

    room.clock.move_on(DAY * 89);
    while step(&room, Settings::default()).await {}
    let before = room.store.delivery(id).await.unwrap().unwrap().attempts;
    room.clock.move_on(DAY * 2);
    while step(&room, Settings::default()).await {}
    let after = room.store.delivery(id).await.unwrap().unwrap().attempts;

    assert_eq!((before[0].address.as_str(), after[0].address.as_str()), ("+48*****0200", "removed"));
    assert_eq!(before[0].provider, after[0].provider);
}

async fn step(room: &Room, settings: Settings) -> bool {
    purge_once(&room.store, room.clock.as_ref(), settings).await.unwrap()
}
