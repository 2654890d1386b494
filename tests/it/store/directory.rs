//! The people a store knows.

use otpost::domain::contact::{Channel, Contact};
use otpost::domain::preferences::Preferences;
use otpost::domain::recipient::{Identifier, IdentifierKind, RecipientStatus};

use super::{Promise, Room};
use crate::support::recipient;
use crate::support::recipients::Somebody;

pub(super) const PROMISES: &[Promise] = &[
    ("a person is found by each of their numbers, with all addresses in order", |room| Box::pin(found(room))),
    ("a number of another kind is another number", |room| Box::pin(kinds(room))),
    ("several people can share a number", |room| Box::pin(shared(room))),
    ("an import replaces a person whole", |room| Box::pin(replaced(room))),
    ("an erased person is not found again", |room| Box::pin(erased(room))),
    ("what a person agreed to is kept, and forgotten by the next import", |room| Box::pin(agreed(room))),
    ("a person is still there after a restart", |room| Box::pin(kept(room))),
];

async fn found(room: Room) {
    let somebody =
        || recipient("one").customer("1337").card("11").phone("+48600100200").phone("+48600100201").app("token");
    import(&room, [somebody()]).await;

    for identifier in [number(IdentifierKind::StorageCustomer, "1337"), number(IdentifierKind::DcCard, "11")] {
        let [found] = &room.store.directory().named(&identifier).await.unwrap()[..] else { unreachable!("one person") };
        assert_eq!(found.locale.as_str(), "pl");
        let phones: Vec<_> = found.contacts.iter().map(Contact::expose).collect();
        assert_eq!(phones.len(), 3);
        let at = |address: &str| phones.iter().position(|held| *held == address).unwrap();
        assert!(at("+48600100200") < at("+48600100201"));
    }
}

async fn agreed(room: Room) {
    let somebody = || recipient("one").card("11");
    let find = async || room.store.directory().named(&number(IdentifierKind::DcCard, "11")).await.unwrap().remove(0);
    import(&room, [somebody().agrees_to(&[Channel::Push, Channel::Sms]).lives_in("Europe/Warsaw")]).await;

    let preferences = find().await.preferences;
    import(&room, [somebody()]).await;

    assert_eq!(preferences.channels, [Channel::Push, Channel::Sms]);
    assert_eq!(preferences.time_zone.unwrap().name(), "Europe/Warsaw");
    assert_eq!(find().await.preferences, Preferences::default());
}

async fn kinds(room: Room) {
    import(&room, [recipient("one").customer("11").phone("+48600100200")]).await;
    assert!(room.store.directory().named(&number(IdentifierKind::DcCard, "11")).await.unwrap().is_empty());
}

async fn shared(room: Room) {
    import(&room, [recipient("one").card("11"), recipient("two").card("11"), recipient("three").card("12")]).await;
    assert_eq!(room.store.directory().named(&number(IdentifierKind::DcCard, "11")).await.unwrap().len(), 2);
}

async fn replaced(room: Room) {
    import(&room, [recipient("one").customer("1").phone("+48600100200")]).await;
    let before = room.store.directory().named(&number(IdentifierKind::StorageCustomer, "1")).await.unwrap().remove(0);

    import(&room, [recipient("one").customer("2").app("token").status(RecipientStatus::OptedOut)]).await;

    assert!(room.store.directory().named(&number(IdentifierKind::StorageCustomer, "1")).await.unwrap().is_empty());
    let after = room.store.directory().named(&number(IdentifierKind::StorageCustomer, "2")).await.unwrap().remove(0);
    assert_eq!((after.id, after.status, after.contacts.len()), (before.id, RecipientStatus::OptedOut, 1));
}

async fn erased(room: Room) {
    import(&room, [recipient("one").customer("1").phone("+48600100200")]).await;
    let directory = room.store.directory();
    let id = directory.named(&number(IdentifierKind::StorageCustomer, "1")).await.unwrap()[0].id;

    assert!(directory.erase(id, room.now()).await.unwrap());

    assert!(directory.recipient(id).await.unwrap().is_none());
    assert!(directory.named(&number(IdentifierKind::StorageCustomer, "1")).await.unwrap().is_empty());
    assert!(!directory.erase(id, room.now()).await.unwrap());
}

async fn kept(room: Room) {
    import(&room, [recipient("one").customer("1").phone("+48600100200")]).await;
    let room = room.reopened().await;
    let found = room.store.directory().named(&number(IdentifierKind::StorageCustomer, "1")).await.unwrap();
    assert_eq!(found[0].contacts[0].expose(), "+48600100200");
}

fn number(kind: IdentifierKind, value: &str) -> Identifier {
    Identifier { kind, value: value.to_owned() }
}

async fn import<const N: usize>(room: &Room, recipients: [Somebody; N]) {
    room.store.directory().import(&recipients.map(|somebody| somebody.0), room.now()).await.unwrap();
}
