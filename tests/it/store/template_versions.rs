//! Template versions: stored permanently, with their activations; attempts name them.

use std::collections::BTreeMap;
use std::time::Duration;

use otpost::domain::contact::Channel;
use otpost::domain::delivery::{Attempt, DeliveryId};
use otpost::domain::notification::{Content, Kind};
use otpost::domain::recipient::Locale;
use otpost::domain::template_version::{TemplateKey, TemplateSnapshot, TemplateVersion};

use super::{Fixture, Promise};

pub(super) const PROMISES: &[Promise] = &[
    ("templates that are active already are not activated again", |it| Box::pin(once(it))),
    ("changed and removed templates are activations with a time", |it| Box::pin(changes(it))),
    ("a change back to an older version is an activation", |it| Box::pin(back(it))),
    ("versions are found by a prefix", |it| Box::pin(beginnings(it))),
    ("an attempt keeps its template version, and the snapshot outlives it", |it| Box::pin(outlived(it))),
    ("the content can be read until the delivery ends", |it| Box::pin(content(it))),
];

fn snapshot(locale: &str, name: u8, text: &str) -> TemplateSnapshot {
    let key = TemplateKey { locale: Locale::parse(locale).unwrap(), kind: Kind::Otp, channel: Channel::Sms };
    let parts = BTreeMap::from([("brand".to_owned(), "Bank".to_owned()), ("sms.hbs".to_owned(), text.to_owned())]);
    TemplateSnapshot { template_version: TemplateVersion([name; 32]), key, parts }
}

async fn once(it: Fixture) {
    let all = [snapshot("pl", 1, "{{otp}} \"'\u{17c}\n"), snapshot("en", 2, "{{otp}}")];
    assert_eq!(it.store.publish(&all).await.unwrap().len(), 2);
    assert_eq!(it.store.publish(&all).await.unwrap(), []);

    let it = it.reopened().await;

    assert_eq!(it.store.publish(&all).await.unwrap(), []);
    assert_eq!(it.store.template_versions().activations().await.unwrap().len(), 2);
    let mut kept = it.store.template_versions().active().await.unwrap();
    kept.sort_by_key(|snapshot| snapshot.template_version);
    assert_eq!(kept, all);
}

async fn changes(it: Fixture) {
    it.store.publish(&[snapshot("pl", 1, "a"), snapshot("en", 2, "b")]).await.unwrap();
    it.clock.move_on(Duration::from_mins(1));

    let changed = it.store.publish(&[snapshot("pl", 3, "c")]).await.unwrap();

    let seen = |of: &[otpost::domain::template_version::TemplateActivation]| -> Vec<_> {
        of.iter()
            .map(|it| (it.key.to_string(), it.template_version.map(|template_version| template_version.0[0]), it.at))
            .collect()
    };
    let now = it.now();
    assert_eq!(seen(&changed), [("pl/otp/sms".to_owned(), Some(3), now), ("en/otp/sms".to_owned(), None, now)]);
    let all = it.store.template_versions().activations().await.unwrap();
    assert_eq!(all.iter().map(|change| change.seq).collect::<Vec<_>>(), [4, 3, 2, 1]);
    assert_eq!(seen(&all[..2]), seen(&changed.into_iter().rev().collect::<Vec<_>>()));
    assert_eq!(it.store.template_versions().active().await.unwrap(), [snapshot("pl", 3, "c")]);
}

async fn back(it: Fixture) {
    let (one, other) = ([snapshot("pl", 1, "a")], [snapshot("pl", 2, "b")]);

    for set in [&one, &other, &one] {
        assert_eq!(it.store.publish(set).await.unwrap().len(), 1);
    }

    let changes = it.store.template_versions().activations().await.unwrap();
    let names: Vec<_> = changes.iter().map(|change| change.template_version.unwrap().0[0]).collect();
    assert_eq!(names, [1, 2, 1]);
    assert_eq!(it.store.template_versions().active().await.unwrap(), one);
}

async fn beginnings(it: Fixture) {
    let all = [snapshot("pl", 0x1a, "a"), snapshot("en", 0x1b, "b")];
    it.store.publish(&all).await.unwrap();

    let found = async |beginning: &str| it.store.template_versions().find(beginning).await.unwrap();

    assert_eq!(found("1a").await, all[..1]);
    assert_eq!(found("1b1").await, all[1..]);
    assert_eq!(found(&"1B".repeat(32)).await, all[1..]);
    assert_eq!(found("1").await.len(), 2);
    assert!(found("2").await.is_empty() && found("pl").await.is_empty());
}

async fn outlived(it: Fixture) {
    let snapshot = snapshot("pl", 7, "a");
    it.store.publish(std::slice::from_ref(&snapshot)).await.unwrap();
    let held = it.held().await;
    let id = held.id.0;
    let held = it.store.record_attempt(held, it.deferred(1)).await.unwrap();
    it.store.settle(held, Attempt { template_version: Some(snapshot.template_version), ..it.taken(2) }).await.unwrap();
    it.clock.move_on(Duration::from_hours(24));

    let attempts = it.store.reports().delivery(id).await.unwrap().unwrap().attempts;
    let gone = it.store.retention().purge(it.now()).await.unwrap();

    assert_eq!(
        attempts.iter().map(|attempt| attempt.template_version).collect::<Vec<_>>(),
        [None, Some(snapshot.template_version)]
    );
    assert_eq!(gone, 1);
    assert_eq!(
        it.store
            .template_versions()
            .snapshots(&[snapshot.template_version])
            .await
            .unwrap()
            .remove(&snapshot.template_version),
        Some(snapshot)
    );
    assert_eq!(it.store.template_versions().activations().await.unwrap().len(), 1);
}

async fn content(it: Fixture) {
    let held = it.held().await;
    let id = DeliveryId(held.id.0);

    let seen = it.store.content(id).await.unwrap();
    it.store.settle(held, it.taken(1)).await.unwrap();

    assert!(matches!(seen, Some(Content::Otp(otp)) if otp.merchant == "merchant test"));
    assert!(it.store.content(id).await.unwrap().is_none());
}
