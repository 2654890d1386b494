//! Importing, finding and erasing recipients.

use otpost::domain::contact::{Channel, Contact};
use otpost::domain::preferences::Preferences;
use otpost::domain::recipient::{Identifier, IdentifierKind, Recipient, RecipientStatus};
use otpost::store::{ListScope, RecipientChange, RecordChange};

use super::{Fixture, Promise};
use crate::support::recipient;
use crate::support::recipients::TestRecipient;

pub(super) const PROMISES: &[Promise] = &[
    ("a recipient is found by each identifier, with all contacts in order", |it| Box::pin(found(it))),
    ("the same value of another kind is another identifier", |it| Box::pin(kinds(it))),
    ("several recipients can share an identifier", |it| Box::pin(shared(it))),
    ("identifiers that several recipients have are counted, except those of companies", |it| Box::pin(counted(it))),
    ("the holders of many identifiers are found in one query", |it| Box::pin(holders(it))),
    ("an import replaces a recipient whole", |it| Box::pin(replaced(it))),
    ("an erased recipient is not found again", |it| Box::pin(erased(it))),
    ("preferences are stored, and replaced by the next import", |it| Box::pin(agreed(it))),
    ("settings are changed only if they are still those that were seen", |it| Box::pin(changed(it))),
    ("a recipient is found by a contact, and by the operator's own id", |it| Box::pin(by_contact(it))),
    ("recipients are listed page by page, and counted", |it| Box::pin(listed(it))),
    ("what an import would change is known by column", |it| Box::pin(changes(it))),
    ("a recipient survives a restart", |it| Box::pin(kept(it))),
];

async fn found(it: Fixture) {
    let one = || recipient("one").customer("1337").card("11").phone("+48600100200").phone("+48600100201").app("token");
    import(&it, [one()]).await;

    for identifier in [number(IdentifierKind::StorageCustomer, "1337"), number(IdentifierKind::DcCard, "11")] {
        let [found] = &it.store.recipients().find(&identifier).await.unwrap()[..] else {
            unreachable!("one recipient")
        };
        assert_eq!(found.locale.as_str(), "pl");
        let phones: Vec<_> = found.contacts.iter().map(Contact::expose).collect();
        assert_eq!(phones.len(), 3);
        let at = |address: &str| phones.iter().position(|held| *held == address).unwrap();
        assert!(at("+48600100200") < at("+48600100201"));
    }
}

async fn agreed(it: Fixture) {
    let one = || recipient("one").card("11");
    let find = async || it.store.recipients().find(&number(IdentifierKind::DcCard, "11")).await.unwrap().remove(0);
    import(&it, [one().agrees_to(&[Channel::Push, Channel::Sms]).lives_in("Europe/Warsaw")]).await;

    let preferences = find().await.preferences;
    import(&it, [one()]).await;

    assert_eq!(preferences.channels, [Channel::Push, Channel::Sms]);
    assert_eq!(preferences.time_zone.unwrap().name(), "Europe/Warsaw");
    assert_eq!(find().await.preferences, Preferences::default());
}

async fn kinds(it: Fixture) {
    import(&it, [recipient("one").customer("11").phone("+48600100200")]).await;
    assert!(it.store.recipients().find(&number(IdentifierKind::DcCard, "11")).await.unwrap().is_empty());
}

async fn shared(it: Fixture) {
    import(&it, [recipient("one").card("11"), recipient("two").card("11"), recipient("three").card("12")]).await;
    assert_eq!(it.store.recipients().find(&number(IdentifierKind::DcCard, "11")).await.unwrap().len(), 2);
}

async fn counted(it: Fixture) {
    let shared = async || it.store.reports().shared_identifiers().await.unwrap();
    import(&it, [recipient("one").card("11").customer("1"), recipient("two").card("12").customer("2")]).await;
    assert_eq!(shared().await, 0);
    let company = |reference| recipient(reference).corporation("7");

    import(&it, [company("three"), company("four"), recipient("five").card("11").customer("2")]).await;

    assert_eq!(shared().await, 2);
}

async fn holders(it: Fixture) {
    import(
        &it,
        [recipient("one").card("11").customer("1"), recipient("two").card("11"), recipient("three").card("12")],
    )
    .await;
    let card = |value| number(IdentifierKind::DcCard, value);
    let recipients = it.store.recipients();

    let found = recipients.holders(&[card("13"), card("11"), card("12"), card("1")]).await.unwrap();

    let ids = ["one", "two", "three"].map(|reference| recipients.id_of(reference).unwrap());
    let mut of_11 = found[1].clone();
    of_11.sort_by_key(|id| *id != ids[0]);
    assert_eq!(of_11, ids[..2]);
    assert_eq!((found[0].len(), &found[2][..], found[3].len(), found.len()), (0, &ids[2..], 0, 4));
    assert!(recipients.holders(&[]).await.unwrap().is_empty());
}

async fn replaced(it: Fixture) {
    import(&it, [recipient("one").customer("1").phone("+48600100200")]).await;
    let before = it.store.recipients().find(&number(IdentifierKind::StorageCustomer, "1")).await.unwrap().remove(0);

    import(&it, [recipient("one").customer("2").app("token").status(RecipientStatus::OptedOut)]).await;

    assert!(it.store.recipients().find(&number(IdentifierKind::StorageCustomer, "1")).await.unwrap().is_empty());
    let after = it.store.recipients().find(&number(IdentifierKind::StorageCustomer, "2")).await.unwrap().remove(0);
    assert_eq!((after.id, after.status, after.contacts.len()), (before.id, RecipientStatus::OptedOut, 1));
}

async fn erased(it: Fixture) {
    import(&it, [recipient("one").customer("1").phone("+48600100200")]).await;
    let recipients = it.store.recipients();
    let id = recipients.find(&number(IdentifierKind::StorageCustomer, "1")).await.unwrap()[0].id;

    assert!(recipients.erase(id, it.now()).await.unwrap());

    assert!(recipients.get(id).await.unwrap().is_none());
    assert!(recipients.find(&number(IdentifierKind::StorageCustomer, "1")).await.unwrap().is_empty());
    assert!(!recipients.erase(id, it.now()).await.unwrap());
}

async fn changed(it: Fixture) {
    import(&it, [recipient("one").card("11").phone("+48600100200")]).await;
    let recipients = it.store.recipients();
    let find = async || recipients.find(&number(IdentifierKind::DcCard, "11")).await.unwrap().remove(0);
    let seen = find().await;
    let mut settings = seen.settings();
    settings.status = RecipientStatus::OptedOut;
    settings.preferences.channels = vec![Channel::Email, Channel::Sms];
    let base = seen.settings().content_hash();
    let change = async |base, settings| recipients.change(seen.id, base, settings, it.now()).await.unwrap();

    assert_eq!(change(&base, &settings).await, RecipientChange::Done);
    assert_eq!((find().await.settings(), find().await.contacts), (settings.clone(), seen.contacts.clone()));
    assert_eq!(change(&base, &seen.settings()).await, RecipientChange::Outdated);
    assert_eq!(find().await.settings(), settings);
    let other = recipients.id_of("nobody").unwrap();
    assert_eq!(recipients.change(other, &base, &settings, it.now()).await.unwrap(), RecipientChange::Unknown);
}

async fn kept(it: Fixture) {
    import(&it, [recipient("one").customer("1").phone("+48600100200")]).await;
    let it = it.reopened().await;
    let found = it.store.recipients().find(&number(IdentifierKind::StorageCustomer, "1")).await.unwrap();
    assert_eq!(found[0].contacts[0].expose(), "+48600100200");
}

fn number(kind: IdentifierKind, value: &str) -> Identifier {
    Identifier { kind, value: value.to_owned() }
}

async fn import<const N: usize>(it: &Fixture, recipients: [TestRecipient; N]) {
    it.store.recipients().import(&recipients.map(|one| one.0), it.now()).await.unwrap();
}

async fn by_contact(it: Fixture) {
    let two = recipient("two").customer("2").mailbox("Reader@Example.org").mailbox("reader@example.org");
    import(&it, [recipient("one").customer("1").phone("+48600100200").app("token"), two]).await;
    let directory = it.store.recipients();
    let by = async |channel, text: &str| {
        let found = directory.find_by_contact(&Contact::parse(channel, text).unwrap()).await.unwrap();
        found.into_iter().map(|it| (it.reference.unwrap(), it.contacts.len())).collect::<Vec<_>>()
    };

    assert_eq!(by(Channel::Sms, "+48600100200").await, [("one".to_owned(), 2)]);
    assert_eq!(by(Channel::Push, "token").await, [("one".to_owned(), 2)]);
    assert_eq!(by(Channel::Email, "READER@example.org").await, [("two".to_owned(), 2)]);
    assert_eq!(by(Channel::Sms, "+48600100201").await, []);
    let own = directory.get(directory.id_of("two").unwrap()).await.unwrap().unwrap();
    assert_eq!(own.reference.as_deref(), Some("two"));
}

async fn listed(it: Fixture) {
    let reach = |number: u32| recipient(&number.to_string()).customer(&number.to_string());
    import(&it, [0, 1, 2].map(|number| reach(number).phone("+48600100200"))).await;
    import(&it, [reach(3).reads("en")]).await;
    let directory = it.store.recipients();

    let all = directory.page(ListScope::All, None).await.unwrap();
    let rest = directory.page(ListScope::All, Some(all[1].id)).await.unwrap();
    let statuses = directory.statuses(None).await.unwrap();
    let counts = directory.count().await.unwrap();
    directory.block(&[all[0].id], it.now()).await.unwrap();

    let ids = |page: &[Recipient]| page.iter().map(|recipient| recipient.id).collect::<Vec<_>>();
    assert_eq!((ids(&all).len(), ids(&rest)), (4, ids(&all)[2..].to_vec()));
    assert!(ids(&all).is_sorted());
    assert_eq!(statuses.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids(&all));
    assert_eq!((counts.recipients, counts.without_contacts, counts.by_locale["pl"]), (4, 1, 3));
    assert!(directory.page(ListScope::Retired, None).await.unwrap().is_empty());
    assert_eq!(directory.get(all[0].id).await.unwrap().unwrap().status, RecipientStatus::Blocked);
}

async fn changes(it: Fixture) {
    let one = || recipient("one").customer("1").phone("+48600100200").phone("+48600100201");
    import(&it, [one()]).await;
    let other = recipient("one").customer("2").reads("en").phone("+48600100201").phone("+48600100200");

    let records: Vec<_> = [one(), other, recipient("new").customer("3")].map(|one| one.0).into();
    let changes = it.store.recipients().changes(&records).await.unwrap();

    let changed = RecordChange::Changed(vec!["locale", "identifiers", "sms"]);
    assert_eq!(changes, [RecordChange::Unchanged, changed, RecordChange::Added]);
}
