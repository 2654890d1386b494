//! Words: kept under their names for good, with the times at which they went live; attempts name them.

use std::collections::BTreeMap;
use std::time::Duration;

use otpost::domain::contact::Channel;
use otpost::domain::delivery::{Attempt, DeliveryId};
use otpost::domain::notification::{Content, Kind};
use otpost::domain::recipient::Locale;
use otpost::domain::template_version::{TemplateKey, TemplateSnapshot, TemplateVersion};

use super::{Promise, Room};

pub(super) const PROMISES: &[Promise] = &[
    ("words that are in force already are not written again", |room| Box::pin(once(room))),
    ("words that change or go are written down with when", |room| Box::pin(changes(room))),
    ("whoever takes old words back is told apart from whoever never changed them", |room| Box::pin(back(room))),
    ("words are found by the beginning of their name", |room| Box::pin(beginnings(room))),
    ("an attempt keeps the name of its words, and they outlive it", |room| Box::pin(outlived(room))),
    ("what is to be told can be read until the delivery ends", |room| Box::pin(content(room))),
];

fn words(locale: &str, name: u8, text: &str) -> TemplateSnapshot {
    let topic = TemplateKey { locale: Locale::parse(locale).unwrap(), kind: Kind::Otp, channel: Channel::Sms };
    let parts = BTreeMap::from([("brand".to_owned(), "Bank".to_owned()), ("sms.hbs".to_owned(), text.to_owned())]);
    TemplateSnapshot { template_version: TemplateVersion([name; 32]), topic, parts }
}

async fn once(room: Room) {
    let all = [words("pl", 1, "{{otp}} \"'\u{17c}\n"), words("en", 2, "{{otp}}")];
    assert_eq!(room.store.publish(&all).await.unwrap().len(), 2);
    assert_eq!(room.store.publish(&all).await.unwrap(), []);

    let room = room.reopened().await;

    assert_eq!(room.store.publish(&all).await.unwrap(), []);
    assert_eq!(room.store.words_changes().await.unwrap().len(), 2);
    let mut kept = room.store.words_in_force().await.unwrap();
    kept.sort_by_key(|words| words.template_version);
    assert_eq!(kept, all);
}

async fn changes(room: Room) {
    room.store.publish(&[words("pl", 1, "a"), words("en", 2, "b")]).await.unwrap();
    room.clock.move_on(Duration::from_mins(1));

    let changed = room.store.publish(&[words("pl", 3, "c")]).await.unwrap();

    let told = |of: &[otpost::domain::template_version::TemplateActivation]| -> Vec<_> {
        of.iter()
            .map(|it| (it.topic.to_string(), it.template_version.map(|template_version| template_version.0[0]), it.at))
            .collect()
    };
    let now = room.now();
    assert_eq!(told(&changed), [("pl/otp/sms".to_owned(), Some(3), now), ("en/otp/sms".to_owned(), None, now)]);
    let all = room.store.words_changes().await.unwrap();
    assert_eq!(all.iter().map(|change| change.seq).collect::<Vec<_>>(), [4, 3, 2, 1]);
    assert_eq!(told(&all[..2]), told(&changed.into_iter().rev().collect::<Vec<_>>()));
    assert_eq!(room.store.words_in_force().await.unwrap(), [words("pl", 3, "c")]);
}

async fn back(room: Room) {
    let (one, other) = ([words("pl", 1, "a")], [words("pl", 2, "b")]);

    for set in [&one, &other, &one] {
        assert_eq!(room.store.publish(set).await.unwrap().len(), 1);
    }

    let changes = room.store.words_changes().await.unwrap();
    let names: Vec<_> = changes.iter().map(|change| change.template_version.unwrap().0[0]).collect();
    assert_eq!(names, [1, 2, 1]);
    assert_eq!(room.store.words_in_force().await.unwrap(), one);
}

async fn beginnings(room: Room) {
    let all = [words("pl", 0x1a, "a"), words("en", 0x1b, "b")];
    room.store.publish(&all).await.unwrap();

    let found = async |beginning: &str| room.store.words_named(beginning).await.unwrap();

    assert_eq!(found("1a").await, all[..1]);
    assert_eq!(found("1b1").await, all[1..]);
    assert_eq!(found(&"1B".repeat(32)).await, all[1..]);
    assert_eq!(found("1").await.len(), 2);
    assert!(found("2").await.is_empty() && found("pl").await.is_empty());
}

async fn outlived(room: Room) {
    let words = words("pl", 7, "a");
    room.store.publish(std::slice::from_ref(&words)).await.unwrap();
    let held = room.held().await;
    let id = held.id.0;
    let held = room.store.go_on(held, room.deferred(1)).await.unwrap();
    room.store.settle(held, Attempt { template_version: Some(words.template_version), ..room.taken(2) }).await.unwrap();
    room.clock.move_on(Duration::from_hours(24));

    let attempts = room.store.delivery(id).await.unwrap().unwrap().attempts;
    let gone = room.store.purge(room.now()).await.unwrap();

    assert_eq!(
        attempts.iter().map(|attempt| attempt.template_version).collect::<Vec<_>>(),
        [None, Some(words.template_version)]
    );
    assert_eq!(gone, 1);
    assert_eq!(room.store.words(&[words.template_version]).await.unwrap().remove(&words.template_version), Some(words));
    assert_eq!(room.store.words_changes().await.unwrap().len(), 1);
}

async fn content(room: Room) {
    let held = room.held().await;
    let id = DeliveryId(held.id.0);

    let told = room.store.content(id).await.unwrap();
    room.store.settle(held, room.taken(1)).await.unwrap();

    assert!(matches!(told, Some(Content::Otp(otp)) if otp.merchant == "merchant test"));
    assert!(room.store.content(id).await.unwrap().is_none());
}
