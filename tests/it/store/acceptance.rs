//! Taking a notification once.

use std::time::Duration;

use otpost::domain::notification::ClientName;
use otpost::store::{Acceptance, Accepted, Dedupe, Error, LEASE};

use super::{Promise, Room};

pub(super) const PROMISES: &[Promise] = &[
    ("what is accepted is there, held by its acceptor", |room| Box::pin(accepted_is_held(room))),
    ("what is accepted survives the end of the process", |room| Box::pin(accepted_survives(room))),
    ("the same key and fields are the first notification again", |room| Box::pin(replay(room))),
    ("the same key with other fields is refused and changes nothing", |room| Box::pin(key_reused(room))),
    ("a key is good for one client and one endpoint", |room| Box::pin(key_scope(room))),
    ("without a key all fields together are one when asked for", |room| Box::pin(by_fields(room))),
    ("twins at once are one", |room| Box::pin(twins(room))),
    ("a key is free when its time is over, swept or not", |room| Box::pin(key_ends(room))),
    ("sweeping forgets only what is over, in steps", |room| Box::pin(sweeping(room))),
    ("below the mark of free space nothing is accepted", |room| Box::pin(watermark(room))),
    ("after the end nothing is accepted", |room| Box::pin(after_the_end(room))),
];

const DAY: Duration = Duration::from_hours(24);

async fn accepted_is_held(room: Room) {
    let claimed = room.held().await;

    assert_eq!(room.store.next_due().await.unwrap(), Some(room.now().after(LEASE)));
    assert!(room.nothing_is_due().await);
    let line = room.store.delivery(claimed.id.0).await.unwrap().unwrap().line;
    assert_eq!((line.state.as_str(), line.client.as_str(), line.attempts), ("open", "processor", 0));
    assert_eq!(room.store.delivery(claimed.notification.0).await.unwrap().unwrap().line.id, claimed.id.0);
}

async fn accepted_survives(room: Room) {
    let id = room.held().await.id.0;

    let room = room.reopened().await;

    assert_eq!(room.state(id).await, "open");
}

async fn replay(room: Room) {
    let first = new(&room, keyed(&room, "11111111")).await;
    let again = room.store.accept(keyed(&room, "11111111")).await.unwrap();

    assert!(matches!(again, Accepted::Replay(id) if id.0 == first), "{again:?}");
    assert_eq!(room.count().await, 1);
}

async fn key_reused(room: Room) {
    let first = new(&room, keyed(&room, "11111111")).await;
    let before = room.events(first).await;

    let other = room.store.accept(keyed(&room, "22222222")).await.unwrap();

    assert!(matches!(other, Accepted::KeyReused(id) if id.0 == first), "{other:?}");
    assert_eq!((room.count().await, room.events(first).await), (1, before));
}

async fn key_scope(room: Room) {
    new(&room, keyed(&room, "11111111")).await;
    let mut elsewhere = keyed(&room, "11111111");
    elsewhere.endpoint = "/elsewhere";
    let mut other = keyed(&room, "11111111");
    other.notification.client = ClientName("second".to_owned());

    new(&room, elsewhere).await;
    new(&room, other).await;

    assert_eq!(room.count().await, 3);
}

async fn by_fields(room: Room) {
    let dated = |code: &str| Acceptance { dedupe: Dedupe::ByFields(DAY), ..room.code(code) };
    new(&room, dated("11111111")).await;
    new(&room, room.code("11111111")).await;

    let again = room.store.accept(dated("11111111")).await.unwrap();

    assert!(matches!(again, Accepted::Replay(_)), "{again:?}");
    assert_eq!(room.count().await, 2);
}

async fn twins(room: Room) {
    let all = (0..64).map(|_| room.store.accept(keyed(&room, "11111111")));
    let all = futures_util::future::join_all(all).await;

    let new = all.iter().filter(|accepted| matches!(accepted, Ok(Accepted::New(_)))).count();
    let again = all.iter().filter(|accepted| matches!(accepted, Ok(Accepted::Replay(_)))).count();
    assert_eq!((new, again, room.count().await), (1, 63, 1));
}

async fn key_ends(room: Room) {
    new(&room, keyed(&room, "11111111")).await;
    room.clock.move_on(DAY / 2);
    assert!(matches!(room.store.accept(keyed(&room, "11111111")).await, Ok(Accepted::Replay(_))));

    room.clock.move_on(DAY / 2);

    new(&room, keyed(&room, "22222222")).await;
    room.clock.move_on(DAY);
    assert_eq!(room.store.forget_keys(room.now()).await.unwrap(), 1);
    new(&room, keyed(&room, "33333333")).await;
}

async fn sweeping(room: Room) {
    for number in 0..600 {
        let kept = if number < 510 { DAY } else { 3 * DAY };
        let dedupe = Dedupe::ByKey(number.to_string(), kept);
        new(&room, Acceptance { dedupe, ..room.code("11111111") }).await;
    }
    room.clock.move_on(2 * DAY);

    let mut steps = Vec::new();
    for _ in 0..3 {
        steps.push(room.store.forget_keys(room.now()).await.unwrap());
    }

    assert_eq!(steps, [500, 10, 0]);
}

async fn watermark(room: Room) {
    let Room { folder, clock, open, store } = room;
    store.close().await.unwrap();
    let store = open(folder.path(), clock.clone(), u64::MAX).await;
    let room = Room { folder, clock, open, store };

    let refused = room.store.accept(room.code("11111111")).await;

    assert!(matches!(refused, Err(Error::DiskNearlyFull)), "{refused:?}");
    assert_eq!(room.count().await, 0);
}

async fn after_the_end(room: Room) {
    room.store.close().await.unwrap();
    let refused = room.store.accept(room.code("11111111")).await;
    assert!(refused.is_err(), "{refused:?}");

    let store = (room.open)(room.folder.path(), room.clock.clone(), 0).await;
    assert_eq!(Room { store, ..room }.count().await, 0);
}

fn keyed(room: &Room, code: &str) -> Acceptance {
    Acceptance { dedupe: Dedupe::ByKey("key".to_owned(), DAY), ..room.code(code) }
}

async fn new(room: &Room, acceptance: Acceptance) -> uuid::Uuid {
    let id = acceptance.notification.id.0;
    let accepted = room.store.accept(acceptance).await.unwrap();
    assert!(matches!(accepted, Accepted::New(_)), "{accepted:?}");
    id
}
