//! Finding deliveries: by each property, in pages, with and without the index.

use std::collections::BTreeSet;
use std::time::Duration;

use otpost::domain::contact::{Channel, Contact};
use otpost::domain::delivery::{Attempt, DeliveryState, EndReason, ProviderName};
use otpost::domain::outcome::{Outcome, Reference};
use otpost::domain::recipient::{Locale, RecipientId};
use otpost::domain::template_version::{TemplateKey, TemplateSnapshot, TemplateVersion};
use otpost::store::reports::{DeliveryFilter, DeliveryPage};
use otpost::store::{Acceptance, Accepted, Claimed, Dedupe, Share};
use uuid::Uuid;

use super::sqlite::{open, raw};
use super::{Fixture, Promise};
use crate::support::recipient;

pub(super) const PROMISES: &[Promise] = &[
    ("a delivery is found by each of its properties and by no other value", |it| Box::pin(found_by_each(it))),
    ("what is asked for of attempts is true of one attempt", |it| Box::pin(one_attempt(it))),
    ("a list in pages has every delivery once", |it| Box::pin(pages(it))),
    ("deliveries to the contact of an erased recipient are not found by it", |it| Box::pin(erased(it))),
];

const DAY: Duration = Duration::from_hours(24);

fn phone(number: &str) -> Contact {
    Contact::parse(Channel::Sms, number).unwrap()
}

fn newest() -> DeliveryFilter {
    DeliveryFilter::newest(100)
}

impl Fixture {
    async fn page(&self, filter: &DeliveryFilter) -> DeliveryPage {
        self.store.reports().deliveries(filter).await.unwrap()
    }

    async fn ids(&self, filter: &DeliveryFilter) -> Vec<Uuid> {
        self.page(filter).await.lines.into_iter().map(|line| line.id).collect()
    }

    async fn index_all(&self) {
        while self.store.search_index().extend_index(3).await.unwrap() > 0 {}
        assert_eq!(self.store.search_index().index_lag().await.unwrap(), 0);
    }

    async fn held_with_key(&self, key: &str) -> Claimed {
        let dedupe = Dedupe::ByKey(key.to_owned(), DAY);
        match self.store.accept(Acceptance { dedupe, ..self.code("48151623") }).await.unwrap() {
            Accepted::New(Some(claimed)) => *claimed,
            other => unreachable!("{other:?}"),
        }
    }

    /// A code to a recipient who was imported with this phone number.
    async fn sent_to(&self, reference: &str, number: &str) -> (RecipientId, Uuid) {
        let recipients = self.store.recipients();
        recipients.import(&[recipient(reference).phone(number).0], self.now()).await.unwrap();
        let id = recipients.id_of(reference).unwrap();
        let share = [Share { recipient: id, channels: Vec::new() }];
        let held = self.store.split(self.held().await, &share).await.unwrap().remove(0);
        let delivery = held.id.0;
        self.store.settle(held, self.to(&phone(number))).await.unwrap();
        (id, delivery)
    }

    fn to(&self, contact: &Contact) -> Attempt {
        Attempt { contact_hash: Some(self.store.contact_hash(contact).unwrap()), ..self.taken(1) }
    }

    fn by_contact(&self, contact: &Contact) -> DeliveryFilter {
        DeliveryFilter { contact: Some(self.store.contact_hash(contact).unwrap()), ..newest() }
    }
}

async fn found_by_each(it: Fixture) {
    let key = TemplateKey {
        locale: Locale::parse("ar").unwrap(),
        kind: otpost::domain::notification::Kind::Otp,
        channel: Channel::Sms,
    };
    let template_version = TemplateVersion([9; 32]);
    let snapshot = TemplateSnapshot { template_version, key, parts: std::collections::BTreeMap::new() };
    it.store.publish(std::slice::from_ref(&snapshot)).await.unwrap();
    let (recipient, to_recipient) = it.sent_to("one", "+48600100200").await;
    let other = it.held_with_key("other").await;
    it.store.give_up(other, None, EndReason::NoContact).await.unwrap();
    let held = it.held_with_key("key-7").await;
    let found = held.id.0;
    let attempt = Attempt {
        channel: Channel::Email,
        provider: ProviderName("mail".to_owned()),
        country: "DE".parse().ok(),
        template_version: Some(template_version),
        outcome: Outcome::accepted(Reference::new("ref-7")),
        ..it.to(&phone("+4915112345678"))
    };
    it.store.settle(held, attempt).await.unwrap();

    for is_indexed in [false, true] {
        if is_indexed {
            it.index_all().await;
        }
        for (what, filter) in [
            ("key", DeliveryFilter { idempotency_key: Some("key-7".to_owned()), ..newest() }),
            ("reference", DeliveryFilter { reference: Some("ref-7".to_owned()), ..newest() }),
            ("contact", it.by_contact(&phone("+4915112345678"))),
            ("channel", DeliveryFilter { channel: Some(Channel::Email), ..newest() }),
            ("provider", DeliveryFilter { provider: Some(ProviderName("mail".to_owned())), ..newest() }),
            ("country", DeliveryFilter { country: "DE".parse().ok(), ..newest() }),
            ("locale", DeliveryFilter { locale: Locale::parse("ar").ok(), ..newest() }),
            ("template version", DeliveryFilter { template_version: Some(template_version), ..newest() }),
        ] {
            assert_eq!(it.ids(&filter).await, [found], "{what}, indexed: {is_indexed}");
        }
        let to = DeliveryFilter { recipient: Some(recipient), ..newest() };
        assert_eq!(it.ids(&to).await, [to_recipient], "indexed: {is_indexed}");
        for (what, filter) in [
            ("key", DeliveryFilter { idempotency_key: Some("key-8".to_owned()), ..newest() }),
            (
                "key and state",
                DeliveryFilter {
                    state: Some(DeliveryState::Open),
                    idempotency_key: Some("key-7".to_owned()),
                    ..newest()
                },
            ),
            ("reason", DeliveryFilter { reason: Some(EndReason::AllRejected), ..newest() }),
            ("contact", it.by_contact(&phone("+4915112345679"))),
            ("country", DeliveryFilter { country: "FR".parse().ok(), ..newest() }),
            ("from", DeliveryFilter { from: Some(it.now().after(DAY)), ..newest() }),
            (
                "to",
                DeliveryFilter {
                    to: Some(it.now().before(DAY)),
                    idempotency_key: Some("key-7".to_owned()),
                    ..newest()
                },
            ),
        ] {
            assert!(it.ids(&filter).await.is_empty(), "{what}, indexed: {is_indexed}");
        }
        assert_eq!(it.ids(&DeliveryFilter { reason: Some(EndReason::NoContact), ..newest() }).await.len(), 1);
    }
}

async fn one_attempt(it: Fixture) {
    let held = it.held().await;
    let first = Attempt { channel: Channel::Push, provider: ProviderName("app".to_owned()), ..it.deferred(1) };
    let held = it.store.record_attempt(held, first).await.unwrap();
    let id = held.id.0;
    it.store.settle(held, it.taken(2)).await.unwrap();
    let by = |channel, provider: &str| DeliveryFilter {
        channel: Some(channel),
        provider: Some(ProviderName(provider.to_owned())),
        ..newest()
    };

    assert_eq!(it.ids(&by(Channel::Push, "app")).await, [id]);
    assert_eq!(it.ids(&by(Channel::Sms, "primary")).await, [id]);
    assert!(it.ids(&by(Channel::Push, "primary")).await.is_empty());
}

async fn pages(it: Fixture) {
    let contact = phone("+48600100200");
    let mut all = Vec::new();
    for number in 0..23 {
        let held = it.held().await;
        all.insert(0, held.id.0);
        it.store.settle(held, it.to(&contact)).await.unwrap();
        it.store.settle(it.held().await, it.taken(1)).await.unwrap();
        // Some are found by the index, and the newest without it.
        if number < 11 {
            it.index_all().await;
        }
    }

    for filter in [it.by_contact(&contact), DeliveryFilter { channel: Some(Channel::Sms), ..it.by_contact(&contact) }] {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = it.page(&DeliveryFilter { before, limit: 5, ..filter.clone() }).await;
            assert!(page.lines.len() <= 5);
            found.extend(page.lines.iter().map(|line| line.id));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(found, all);
    }
    let everything = it.page(&DeliveryFilter::newest(46)).await;
    assert_eq!((everything.lines.len(), everything.next), (46, None));
    assert_eq!(everything.lines.iter().map(|line| line.id).collect::<BTreeSet<_>>().len(), 46);
}

async fn erased(it: Fixture) {
    let number = phone("+48600100200");
    let (indexed, _) = it.sent_to("one", "+48600100200").await;
    let (kept, kept_delivery) = it.sent_to("two", "+48600100200").await;
    it.index_all().await;
    let (_, _) = it.sent_to("one", "+48600100200").await;
    assert_eq!(it.ids(&it.by_contact(&number)).await.len(), 3);

    assert!(it.store.recipients().erase(indexed, it.now()).await.unwrap());
    it.index_all().await;

    assert_eq!(it.ids(&it.by_contact(&number)).await, [kept_delivery]);
    assert_eq!(it.ids(&DeliveryFilter { recipient: Some(kept), ..newest() }).await, [kept_delivery]);
}

#[tokio::test]
async fn an_erased_contact_leaves_no_hash_in_the_database() {
    let it = Fixture::new(open).await;
    let (one, _) = it.sent_to("one", "+48600100200").await;
    it.index_all().await;
    it.sent_to("one", "+48600100200").await;
    it.store.recipients().erase(one, it.now()).await.unwrap();
    it.index_all().await;

    let mut database = raw(&it).await;
    let hashes: i64 = sqlx::query_scalar("SELECT count(*) FROM attempt WHERE contact_hash IS NOT NULL")
        .fetch_one(&mut database)
        .await
        .unwrap();
    let terms: Vec<i64> = sqlx::query_scalar("SELECT count(*) FROM search_term GROUP BY substr(term, 1, 1)")
        .fetch_all(&mut database)
        .await
        .unwrap();

    assert_eq!(hashes, 0);
    // Two deliveries to the recipient, by an id that says nothing; none to the contact.
    assert_eq!(terms, [2]);
}

#[tokio::test]
async fn a_search_says_how_far_it_came_and_what_is_not_indexed_yet() {
    let it = Fixture::new(open).await;
    for _ in 0..30 {
        it.store.settle(it.held().await, it.taken(1)).await.unwrap();
    }
    let rare = DeliveryFilter { state: Some(DeliveryState::Expired), looked_at_max: 10, limit: 2, ..newest() };

    let (mut steps, mut before) = (0, None);
    loop {
        let page = it.page(&DeliveryFilter { before, ..rare.clone() }).await;
        assert!(page.lines.is_empty());
        before = page.next;
        if before.is_none() {
            break;
        }
        steps += 1;
    }
    assert!((1..30).contains(&steps), "{steps}");

    // As after an upgrade: many events are older than those that a search looks at itself.
    let mut database = raw(&it).await;
    sqlx::query(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
        INSERT INTO audit_event (at, actor, kind, detail) SELECT 1, 'gateway', 'clock_set', '{}' FROM n",
    )
    .execute(&mut database)
    .await
    .unwrap();
    let by_key = DeliveryFilter { idempotency_key: Some("key".to_owned()), ..newest() };
    assert_eq!(it.page(&by_key).await.unindexed, 60);
    while it.store.search_index().extend_index(1000).await.unwrap() > 0 {}
    assert_eq!(it.page(&by_key).await.unindexed, 0);
}

#[tokio::test]
async fn terms_of_contacts_are_removed_before_the_rest_of_the_index() {
    let it = Fixture::new(open).await;
    it.sent_to("one", "+48600100200").await;
    it.store.give_up(it.held_with_key("key").await, None, EndReason::NoContact).await.unwrap();
    it.index_all().await;
    let mut database = raw(&it).await;
    let mut properties = async || {
        let text = "SELECT DISTINCT unicode(substr(CAST(term AS TEXT), 1, 1)) FROM search_term ORDER BY 1";
        sqlx::query_scalar::<_, i64>(text).fetch_all(&mut database).await.unwrap()
    };
    let (now, later) = (it.now(), it.now().after(DAY * 2));
    let retention = it.store.retention();

    assert_eq!(retention.prune_terms(now, now).await.unwrap(), 0);
    assert_eq!(properties().await, [1, 2, 3]);
    assert_eq!(retention.prune_terms(now, later).await.unwrap(), 1);
    assert_eq!(properties().await, [1, 3]);
    assert_eq!(retention.prune_terms(later, later).await.unwrap(), 2);
    assert!(properties().await.is_empty());
}
