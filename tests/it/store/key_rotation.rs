//! Rotating the seal key while the store is used.

use std::time::Duration;

use otpost::domain::contact::Contact;
use otpost::domain::delivery::EndReason;
use otpost::domain::notification::{CardUnlocked, Content};
use otpost::domain::recipient::{Identifier, IdentifierKind};
use otpost::store::{Acceptance, Accepted, Claimed, Store};

use super::{Fixture, Promise};
use crate::support::recipient;

pub(super) const PROMISES: &[Promise] = &[
    ("a rotated seal key opens what the previous one sealed, until that one is removed", |it| Box::pin(rotated(it))),
    ("an interrupted rotation continues and begins no second one", |it| Box::pin(interrupted(it))),
    ("the previous seal key is kept while a content or an epoch key needs it", |it| Box::pin(needed(it))),
];

async fn rotated(it: Fixture) {
    import(&it, "1337", "+48600100200").await;
    let fields = std::fs::read(it.folder.path().join("seal.key")).unwrap();

    rotate(&it).await;
    assert_eq!(phone(&it.store, "1337").await, "+48600100200");
    import(&it, "1338", "+48600100201").await;
    it.clock.move_on(Duration::from_mins(6));
    let needs = it.store.previous_key_use().await.unwrap().unwrap();
    assert!(needs.has_ended(it.now()), "{needs:?}");
    it.store.end_key_rotation(it.now()).await.unwrap();

    assert!(it.store.previous_key_use().await.unwrap().is_none());
    let it = it.reopened().await;
    assert_eq!(phone(&it.store, "1337").await, "+48600100200");
    assert_eq!(phone(&it.store, "1338").await, "+48600100201");
    let key = std::fs::read_to_string(it.folder.path().join("seal.key")).unwrap();
    let first = String::from_utf8(fields).unwrap();
    assert!(!key.contains(first.trim()) && key.contains("generation 1"), "the first key is not in the file");
}

async fn interrupted(it: Fixture) {
    for customer in 0..120 {
        import(&it, &customer.to_string(), "+48600100200").await;
    }
    it.store.begin_key_rotation(it.now()).await.unwrap();
    it.store.reseal_contacts(None).await.unwrap().unwrap();
    let key = std::fs::read(it.folder.path().join("seal.key")).unwrap();

    let it = it.reopened().await;
    rotate(&it).await;

    assert_eq!(std::fs::read(it.folder.path().join("seal.key")).unwrap(), key);
    it.clock.move_on(Duration::from_mins(6));
    it.store.end_key_rotation(it.now()).await.unwrap();
    let it = it.reopened().await;
    for customer in 0..120 {
        assert_eq!(phone(&it.store, &customer.to_string()).await, "+48600100200");
    }
}

async fn needed(it: Fixture) {
    let unlock = accept(&it, it.unlock()).await;
    let code = accept(&it, it.code("48151623")).await;

    rotate(&it).await;
    let later = accept(&it, it.unlock()).await;

    it.clock.move_on(Duration::from_mins(6));
    let needs = it.store.previous_key_use().await.unwrap().unwrap();
    assert_eq!((needs.contents, needs.epoch_keys, needs.has_ended(it.now())), (1, true, false));
    for claimed in [unlock, code, later] {
        it.store.give_up(claimed, None, EndReason::Suppressed).await.unwrap();
    }
    let needs = it.store.previous_key_use().await.unwrap().unwrap();
    assert_eq!((needs.contents, needs.epoch_keys), (0, true));
    it.clock.move_on(Duration::from_mins(30));
    it.store.shred_keys(it.now(), Duration::from_mins(5)).unwrap();
    assert!(it.store.previous_key_use().await.unwrap().unwrap().has_ended(it.now()));
}

impl Fixture {
    fn unlock(&self) -> Acceptance {
        let mut acceptance = self.code("0000");
        acceptance.notification.content = Content::CardUnlocked(CardUnlocked { at: self.now() });
        acceptance.endpoint = "/notifications/card/unlocked";
        acceptance
    }
}

async fn accept(it: &Fixture, acceptance: Acceptance) -> Claimed {
    match it.store.accept(acceptance).await.unwrap() {
        Accepted::New(Some(claimed)) => *claimed,
        other => unreachable!("{other:?}"),
    }
}

async fn rotate(it: &Fixture) {
    it.store.begin_key_rotation(it.now()).await.unwrap();
    let mut last = None;
    while let Some(next) = it.store.reseal_contacts(last.as_ref()).await.unwrap() {
        last = Some(next);
    }
}

async fn import(it: &Fixture, customer: &str, phone: &str) {
    let one = recipient(customer).customer(customer).phone(phone);
    it.store.recipients().import(&[one.0], it.now()).await.unwrap();
}

async fn phone(store: &Store, customer: &str) -> String {
    let identifier = Identifier { kind: IdentifierKind::StorageCustomer, value: customer.to_owned() };
    let found = store.recipients().find(&identifier).await.unwrap();
    found[0].contacts.iter().map(Contact::expose).next().unwrap().to_owned()
}
