//! Accepting a notification once.

use std::time::Duration;

use otpost::domain::notification::ClientName;
use otpost::store::{Acceptance, Accepted, Dedupe, Error, LEASE};

use super::{Fixture, Promise};

pub(super) const PROMISES: &[Promise] = &[
    ("an accepted delivery is stored and leased by the process that accepted it", |it| Box::pin(accepted_is_held(it))),
    ("an accepted delivery survives a restart", |it| Box::pin(accepted_survives(it))),
    ("the same key and fields are a replay of the first notification", |it| Box::pin(replay(it))),
    ("the same key with other fields is rejected and changes nothing", |it| Box::pin(key_reused(it))),
    ("a key is valid for one client and one endpoint", |it| Box::pin(key_scope(it))),
    ("without a key all fields together can be the key", |it| Box::pin(by_fields(it))),
    ("equal requests at the same time are accepted once", |it| Box::pin(twins(it))),
    ("a key can be used again after it has expired, pruned or not", |it| Box::pin(key_ends(it))),
    ("pruning removes only expired keys, in steps", |it| Box::pin(pruning(it))),
    ("below min_free nothing is accepted", |it| Box::pin(min_free(it))),
    ("a closed store accepts nothing", |it| Box::pin(after_close(it))),
];

const DAY: Duration = Duration::from_hours(24);

async fn accepted_is_held(it: Fixture) {
    let claimed = it.held().await;

    assert_eq!(it.store.next_due().await.unwrap(), Some(it.now().after(LEASE)));
    assert!(it.nothing_is_due().await);
    let line = it.store.reports().delivery(claimed.id.0).await.unwrap().unwrap().line;
    assert_eq!((line.state.as_str(), line.client.as_str(), line.attempts), ("open", "processor", 0));
    assert_eq!(it.store.reports().delivery(claimed.notification.0).await.unwrap().unwrap().line.id, claimed.id.0);
}

async fn accepted_survives(it: Fixture) {
    let id = it.held().await.id.0;

    let it = it.reopened().await;

    assert_eq!(it.state(id).await, "open");
}

async fn replay(it: Fixture) {
    let first = new(&it, keyed(&it, "11111111")).await;
    let again = it.store.accept(keyed(&it, "11111111")).await.unwrap();

    assert!(matches!(again, Accepted::Replay(id) if id.0 == first), "{again:?}");
    assert_eq!(it.count().await, 1);
}

async fn key_reused(it: Fixture) {
    let first = new(&it, keyed(&it, "11111111")).await;
    let before = it.events(first).await;

    let other = it.store.accept(keyed(&it, "22222222")).await.unwrap();

    assert!(matches!(other, Accepted::KeyReused(id) if id.0 == first), "{other:?}");
    assert_eq!((it.count().await, it.events(first).await), (1, before));
}

async fn key_scope(it: Fixture) {
    new(&it, keyed(&it, "11111111")).await;
    let mut elsewhere = keyed(&it, "11111111");
    elsewhere.endpoint = "/elsewhere";
    let mut other = keyed(&it, "11111111");
    other.notification.client = ClientName("second".to_owned());

    new(&it, elsewhere).await;
    new(&it, other).await;

    assert_eq!(it.count().await, 3);
}

async fn by_fields(it: Fixture) {
    let dated = |code: &str| Acceptance { dedupe: Dedupe::ByFields(DAY), ..it.code(code) };
    new(&it, dated("11111111")).await;
    new(&it, it.code("11111111")).await;

    let again = it.store.accept(dated("11111111")).await.unwrap();

    assert!(matches!(again, Accepted::Replay(_)), "{again:?}");
    assert_eq!(it.count().await, 2);
}

async fn twins(it: Fixture) {
    let all = (0..64).map(|_| it.store.accept(keyed(&it, "11111111")));
    let all = futures_util::future::join_all(all).await;

    let new = all.iter().filter(|accepted| matches!(accepted, Ok(Accepted::New(_)))).count();
    let again = all.iter().filter(|accepted| matches!(accepted, Ok(Accepted::Replay(_)))).count();
    assert_eq!((new, again, it.count().await), (1, 63, 1));
}

async fn key_ends(it: Fixture) {
    new(&it, keyed(&it, "11111111")).await;
    it.clock.move_on(DAY / 2);
    assert!(matches!(it.store.accept(keyed(&it, "11111111")).await, Ok(Accepted::Replay(_))));

    it.clock.move_on(DAY / 2);

    new(&it, keyed(&it, "22222222")).await;
    it.clock.move_on(DAY);
    assert_eq!(it.store.retention().prune_keys(it.now()).await.unwrap(), 1);
    new(&it, keyed(&it, "33333333")).await;
}

async fn pruning(it: Fixture) {
    for number in 0..600 {
        let kept = if number < 510 { DAY } else { 3 * DAY };
        let dedupe = Dedupe::ByKey(number.to_string(), kept);
        new(&it, Acceptance { dedupe, ..it.code("11111111") }).await;
    }
    it.clock.move_on(2 * DAY);

    let mut steps = Vec::new();
    for _ in 0..3 {
        steps.push(it.store.retention().prune_keys(it.now()).await.unwrap());
    }

    assert_eq!(steps, [500, 10, 0]);
}

async fn min_free(it: Fixture) {
    let Fixture { folder, clock, open, store } = it;
    store.close().await.unwrap();
    let store = open(folder.path(), clock.clone(), u64::MAX).await;
    let it = Fixture { folder, clock, open, store };

    let refused = it.store.accept(it.code("11111111")).await;

    assert!(matches!(refused, Err(Error::DiskNearlyFull)), "{refused:?}");
    assert_eq!(it.count().await, 0);
}

async fn after_close(it: Fixture) {
    it.store.close().await.unwrap();
    let refused = it.store.accept(it.code("11111111")).await;
    assert!(refused.is_err(), "{refused:?}");

    let store = (it.open)(it.folder.path(), it.clock.clone(), 0).await;
    assert_eq!(Fixture { store, ..it }.count().await, 0);
}

fn keyed(it: &Fixture, code: &str) -> Acceptance {
    Acceptance { dedupe: Dedupe::ByKey("key".to_owned(), DAY), ..it.code(code) }
}

async fn new(it: &Fixture, acceptance: Acceptance) -> uuid::Uuid {
    let id = acceptance.notification.id.0;
    let accepted = it.store.accept(acceptance).await.unwrap();
    assert!(matches!(accepted, Accepted::New(_)), "{accepted:?}");
    id
}
