//! Changes of templates and published texts: written whole, if they are as they were read.

use std::collections::BTreeMap;

use otpost::domain::audit_event::{Actor, AuditEvent, AuditKind};
use otpost::domain::contact::Channel;
use otpost::domain::notification::Kind;
use otpost::domain::recipient::Locale;
use otpost::domain::template_change::{ChangeState, TemplateChange, TemplateDraft};
use otpost::domain::template_version::{TemplateKey, TemplateSnapshot, TemplateVersion};

use super::{Fixture, Promise};

pub(super) const PROMISES: &[Promise] = &[
    ("a change is read back as it was written", |it| Box::pin(round_trip(it))),
    ("of two writes of one change the second is refused", |it| Box::pin(two_writes(it))),
    ("changes that wait are listed, others only by page", |it| Box::pin(lists(it))),
    ("texts are adopted once", |it| Box::pin(adopted(it))),
    ("a publication is written whole", |it| Box::pin(published(it))),
    ("a publication of an old state writes nothing", |it| Box::pin(outdated(it))),
];

const SMS: &str = "pl/otp/sms.hbs";

fn event(it: &Fixture) -> AuditEvent {
    AuditEvent::new(Actor::Operator("author".to_owned()), AuditKind::TemplateDrafted, it.now())
}

fn draft(path: &str, text: Option<&str>) -> TemplateDraft {
    TemplateDraft { path: path.to_owned(), text: text.map(str::to_owned), base: Some("old \"'\u{17c}\n".to_owned()) }
}

async fn add(it: &Fixture, text: &str) -> TemplateChange {
    let mut change = TemplateChange::new("author", it.now());
    change.edit("author", draft(SMS, Some(text)), it.now()).unwrap();
    let id = it.store.template_changes().add_change(&change, &event(it)).await.unwrap();
    it.store.template_changes().change(id).await.unwrap().unwrap()
}

async fn approved(it: &Fixture, text: &str) -> TemplateChange {
    let mut change = add(it, text).await;
    change.submit("author", "shorter", it.now()).unwrap();
    change.approve("approver", change.content_hash(), "fine", it.now()).unwrap();
    assert!(it.store.template_changes().save_change(&change, &event(it)).await.unwrap());
    it.store.template_changes().change(change.id).await.unwrap().unwrap()
}

async fn round_trip(it: Fixture) {
    let mut change = approved(&it, "new {{otp}} \"'\u{17c}\r\n").await;
    change.edit("second author", draft("pl/otp/push.body.hbs", None), it.now()).unwrap();
    change.submit("author", "a note", it.now()).unwrap();
    change.approve("approver", change.content_hash(), "", it.now()).unwrap();
    change.schedule("approver", it.now().after(std::time::Duration::from_mins(1)), it.now()).unwrap();
    assert!(it.store.template_changes().save_change(&change, &event(&it)).await.unwrap());

    let it = it.reopened().await;

    let read = it.store.template_changes().change(change.id).await.unwrap().unwrap();
    assert_eq!(read, TemplateChange { version: change.version + 1, ..change });
    assert_eq!(it.store.template_changes().change(99).await.unwrap(), None);
}

async fn two_writes(it: Fixture) {
    let change = add(&it, "one").await;
    let (mut first, mut second) = (change.clone(), change.clone());
    first.edit("author", draft(SMS, Some("two")), it.now()).unwrap();
    second.edit("author", draft(SMS, Some("three")), it.now()).unwrap();

    assert!(it.store.template_changes().save_change(&first, &event(&it)).await.unwrap());
    assert!(!it.store.template_changes().save_change(&second, &event(&it)).await.unwrap());

    let read = it.store.template_changes().change(change.id).await.unwrap().unwrap();
    assert_eq!(read.drafts[0].text.as_deref(), Some("two"));
}

async fn lists(it: Fixture) {
    let (first, mut second) = (add(&it, "one").await, add(&it, "two").await);
    let third = approved(&it, "three").await;
    second.withdraw(it.now()).unwrap();
    assert!(it.store.template_changes().save_change(&second, &event(&it)).await.unwrap());

    let ids = |changes: Vec<TemplateChange>| changes.iter().map(|change| change.id).collect::<Vec<_>>();
    let changes = it.store.template_changes();

    let waiting = changes.waiting_changes().await.unwrap();
    assert_eq!(waiting[0].drafts.len(), 1);
    assert_eq!(ids(waiting), [third.id, first.id]);
    assert_eq!(ids(changes.changes(i64::MAX, 2).await.unwrap()), [third.id, second.id]);
    assert_eq!(ids(changes.changes(second.id, 2).await.unwrap()), [first.id]);
}

async fn adopted(it: Fixture) {
    let changes = it.store.template_changes();
    assert_eq!(changes.published_texts().await.unwrap().last, 0);
    let texts = [(SMS.to_owned(), "one".to_owned()), ("pl/locale.toml".to_owned(), "two".to_owned())];

    assert!(changes.adopt_texts(&texts, &event(&it)).await.unwrap());
    assert!(!changes.adopt_texts(&texts, &event(&it)).await.unwrap());

    let published = changes.published_texts().await.unwrap();
    assert_eq!((published.last, published.texts.len()), (2, 2));
    assert_eq!((published.text(SMS), published.text("pl/otp")), (Some("one"), None));
    assert_eq!(changes.last_text().await.unwrap(), 2);
}

fn snapshot(text: &str) -> TemplateSnapshot {
    let key = TemplateKey { locale: Locale::parse("pl").unwrap(), kind: Kind::Otp, channel: Channel::Sms };
    let parts = BTreeMap::from([("sms.hbs".to_owned(), text.to_owned())]);
    TemplateSnapshot { template_version: TemplateVersion([7; 32]), key, parts }
}

async fn published(it: Fixture) {
    let texts = [(SMS.to_owned(), "old".to_owned()), ("pl/locale.toml".to_owned(), "same".to_owned())];
    it.store.template_changes().adopt_texts(&texts, &event(&it)).await.unwrap();
    let mut change = approved(&it, "new").await;
    change.publish("approver", it.now()).unwrap();

    let last = it.store.publish_change(&change, 2, &[snapshot("new")], event(&it)).await.unwrap();

    let changes = it.store.template_changes();
    assert_eq!(last, Some(3));
    assert_eq!(changes.published_texts().await.unwrap().text(SMS), Some("new"));
    assert_eq!(changes.change(change.id).await.unwrap().unwrap().state, ChangeState::Published);
    assert_eq!(it.store.template_versions().active().await.unwrap(), [snapshot("new")]);
    let versions = changes.text_versions(SMS, 10).await.unwrap();
    let shown: Vec<_> = versions.iter().map(|it| (it.seq, it.text.as_deref(), it.change)).collect();
    assert_eq!(shown, [(3, Some("new"), Some(change.id)), (1, Some("old"), None)]);
    assert_eq!(changes.text_version(1).await.unwrap().as_ref(), versions.last());
    assert_eq!(changes.text_version(9).await.unwrap(), None);
    assert_eq!(changes.all_texts().await.unwrap()[SMS], [Some("old".to_owned()), Some("new".to_owned())]);
    assert!(changes.waiting_changes().await.unwrap().is_empty());
}

async fn outdated(it: Fixture) {
    it.store.template_changes().adopt_texts(&[(SMS.to_owned(), "old".to_owned())], &event(&it)).await.unwrap();
    let mut change = approved(&it, "new").await;
    change.publish("approver", it.now()).unwrap();
    let older = TemplateChange { version: change.version - 1, ..change.clone() };

    assert_eq!(it.store.publish_change(&change, 0, &[snapshot("new")], event(&it)).await.unwrap(), None);
    assert_eq!(it.store.publish_change(&older, 1, &[snapshot("new")], event(&it)).await.unwrap(), None);

    assert_eq!(it.store.template_changes().published_texts().await.unwrap().text(SMS), Some("old"));
    assert!(it.store.template_versions().active().await.unwrap().is_empty());
    assert_eq!(it.store.template_changes().change(change.id).await.unwrap().unwrap().state, ChangeState::Approved);
}
