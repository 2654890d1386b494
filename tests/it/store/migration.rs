//! A database of the version before migration 0007, with its keys, is migrated and then read.
//!
//! `golden/database_0006` is the dump of a database that `otpost` of commit 8fd01db wrote: its demo, then a gateway whose
//! providers were down. A few states, reasons and audit events that it did not produce were added by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use otpost::domain::clock::{Clock, Timestamp};
use otpost::domain::contact::{Channel, Contact};
use otpost::domain::delivery::{Attempt, DeliveryId, ProviderName};
use otpost::domain::notification::{Content, Priority};
use otpost::domain::outcome::{Cause, Outcome};
use otpost::domain::recipient::{Identifier, IdentifierKind, RecipientStatus};
use otpost::domain::template_version::TemplateVersion;
use otpost::store::reports::{DeliveryDetail, DeliveryFilter};
use otpost::store::{Claimed, OpenMode, Predecessor, Store};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;

use super::sqlite::try_open;
use crate::support::clock::ManualClock;
use crate::support::recipient;

/// Later than everything in the dump.
const NOW: Timestamp = Timestamp::from_micros(1_795_747_500_000_000);

struct Migrated {
    store: Store,
    clock: Arc<ManualClock>,
    folder: TempDir,
}

impl Migrated {
    async fn open() -> Self {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/database_0006");
        let folder = tempfile::tempdir().unwrap();
        let epochs = folder.path().join("seal.epochs");
        std::fs::create_dir(&epochs).unwrap();
        std::fs::copy(golden.join("seal.key"), folder.path().join("seal.key")).unwrap();
        std::fs::copy(golden.join("seal.epochs/1995274.key"), epochs.join("1995274.key")).unwrap();
        let dump = std::fs::read_to_string(golden.join("database.sql")).unwrap();
        let options = SqliteConnectOptions::new().filename(folder.path().join("otpost.db")).create_if_missing(true);
        let mut database = options.connect().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(dump)).execute(&mut database).await.unwrap();
        sqlx::Connection::close(database).await.unwrap();
        let clock = ManualClock::new();
        clock.move_to(NOW);
        let store = try_open(folder.path(), Arc::clone(&clock), 0, OpenMode::Gateway).await.unwrap();
        Self { store, clock, folder }
    }

    async fn details(&self) -> Vec<DeliveryDetail> {
        let filter = DeliveryFilter::newest(1000);
        let mut details = Vec::new();
        for line in self.store.reports().deliveries(&filter).await.unwrap().lines {
            details.push(self.store.reports().delivery(line.id).await.unwrap().unwrap());
        }
        details
    }

    async fn customer(&self, number: &str) -> Vec<otpost::domain::recipient::Recipient> {
        let identifier = Identifier { kind: IdentifierKind::StorageCustomer, value: number.to_owned() };
        self.store.recipients().find(&identifier).await.unwrap()
    }

    async fn claim(&self, priority: Priority) -> Vec<Claimed> {
        self.store.claim(priority, 100).await.unwrap()
    }
}

#[tokio::test]
async fn deliveries_keep_their_states_and_reasons_under_the_new_names() {
    let migrated = Migrated::open().await;

    let mut counts = BTreeMap::new();
    for DeliveryDetail { line, .. } in migrated.details().await {
        *counts.entry((line.state, line.end_reason.unwrap_or_default())).or_insert(0) += 1;
    }

    let counts: Vec<_> =
        counts.iter().map(|((state, reason), count)| (state.as_str(), reason.as_str(), *count)).collect();
    assert_eq!(
        counts,
        [
            ("confirmed", "", 1),
            ("not_sent", "stale", 1),
            ("open", "", 12),
            ("sent", "", 11),
            ("undeliverable", "rate_limited", 4),
            ("undeliverable", "suppressed", 1),
            ("undeliverable", "unknown_recipient", 2),
        ]
    );
}

#[tokio::test]
async fn attempts_keep_outcome_masked_contact_and_template_version() {
    let migrated = Migrated::open().await;
    let attempts: Vec<Attempt> = migrated.details().await.into_iter().flat_map(|detail| detail.attempts).collect();

    assert_eq!(attempts.len(), 60);
    assert_eq!(attempts.iter().filter(|attempt| attempt.is_taken()).count(), 12);
    let rejected = Outcome::Rejected { cause: Cause::InvalidContact };
    assert_eq!(attempts.iter().filter(|attempt| attempt.outcome == rejected).count(), 1);
    assert!(
        attempts.iter().any(|attempt| attempt.masked_contact.starts_with('+') && attempt.masked_contact.contains('*'))
    );
    let versions: BTreeSet<TemplateVersion> = attempts.iter().filter_map(|attempt| attempt.template_version).collect();
    let versions: Vec<_> = versions.into_iter().collect();
    let snapshots = migrated.store.template_versions().snapshots(&versions).await.unwrap();
    assert!(!versions.is_empty());
    assert_eq!(snapshots.len(), versions.len());
}

#[tokio::test]
async fn audit_events_keep_order_and_detail_under_the_new_names() {
    let migrated = Migrated::open().await;
    let options = SqliteConnectOptions::new().filename(migrated.folder.path().join("otpost.db"));
    let mut database = options.connect().await.unwrap();
    let events: Vec<(i64, String, String)> = sqlx::query_as("SELECT seq, kind, detail FROM audit_event ORDER BY seq")
        .fetch_all(&mut database)
        .await
        .unwrap();

    assert!(events.iter().map(|(seq, ..)| *seq).eq(1..=275));
    let detail = |kind: &str| {
        let last = events.iter().rev().find(|(_, its, _)| its == kind);
        last.map(|(.., detail)| serde_json::from_str::<serde_json::Value>(detail).unwrap()).unwrap()
    };
    assert_eq!(detail("recipients_imported"), serde_json::json!({ "recipients": 2 }));
    assert!(detail("recipient_erased")["recipient"].is_string());
    assert_eq!(detail("client_rejected")["reason"], "no_certificate");
    assert_eq!(detail("split")["deliveries"], 2);
    assert_eq!(detail("given_up"), serde_json::json!({ "reason": "stale", "state": "not_sent" }));
    assert_eq!(detail("confirmed")["status"], "delivered");
    assert!(detail("templates_activated")["templates"]["ar/card_locked/email"].is_string());
    assert!(detail("templates_rejected")["diagnostics"].is_array());
    let old = ["planned", "people_imported", "person_erased", "refused", "texts_changed", "texts_refused"];
    assert!(events.iter().all(|(_, kind, _)| !old.contains(&kind.as_str())));
    let old = ["unknown_person", "not_to_be_told", "\"held\"", "bad_address", "\"refused\"", "\"says\""];
    assert!(events.iter().all(|(.., detail)| !old.iter().any(|old| detail.contains(old))));
}

#[tokio::test]
async fn recipients_are_found_their_contacts_open_and_a_new_import_replaces_them() {
    let migrated = Migrated::open().await;

    let [first] = &migrated.customer("1337").await[..] else { unreachable!("one recipient") };
    assert!(first.contacts.iter().any(|contact| contact.channel() == Channel::Push));
    let [opted_out] = &migrated.customer("7002").await[..] else { unreachable!("one recipient") };
    assert_eq!(opted_out.status, RecipientStatus::OptedOut);
    assert_eq!(opted_out.contacts.iter().map(Contact::expose).collect::<Vec<_>>(), ["+48600100298"]);
    assert!(migrated.customer("7001").await.is_empty(), "erased");

    let again = recipient("quiet-1").customer("7002").phone("+48600100297");
    migrated.store.recipients().import(&[again.0], migrated.clock.now()).await.unwrap();

    let [replaced] = &migrated.customer("7002").await[..] else { unreachable!("still one recipient") };
    assert_eq!(replaced.id, opted_out.id);
    assert_eq!(replaced.contacts.iter().map(Contact::expose).collect::<Vec<_>>(), ["+48600100297"]);
}

#[tokio::test]
async fn open_codes_can_be_sent_and_do_not_supersede_each_other() {
    let migrated = Migrated::open().await;

    let claimed = migrated.claim(Priority::Otp).await;

    assert_eq!(claimed.len(), 3);
    // The purchase is not what it was: until a newer code comes, each of these may be sent.
    for claimed in &claimed {
        assert!(matches!(claimed.content, Some(Content::Otp(_))));
        assert!(matches!(migrated.store.content(DeliveryId(claimed.id.0)).await.unwrap(), Some(Content::Otp(_))));
        assert!(!migrated.store.is_superseded(claimed).await.unwrap());
    }
}

#[tokio::test]
async fn open_deliveries_of_one_card_keep_their_order() {
    let migrated = Migrated::open().await;

    let claimed = migrated.claim(Priority::Standard).await;

    assert_eq!(claimed.len(), 9);
    let unlocked = claimed.iter().find(|claimed| matches!(claimed.content, Some(Content::CardUnlocked(_)))).unwrap();
    assert_eq!(migrated.store.predecessor(unlocked).await.unwrap(), Some(Predecessor::Leased));
}

#[tokio::test]
async fn template_versions_keep_their_activations() {
    let migrated = Migrated::open().await;
    let versions = migrated.store.template_versions();

    let activations = versions.activations().await.unwrap();
    let active = versions.active().await.unwrap();

    assert_eq!(activations.len(), 28);
    assert_eq!(activations[0].template_version, None, "pl/otp/email was removed last");
    let snapshot = active.iter().find(|snapshot| snapshot.key.to_string() == "pl/otp/sms").unwrap();
    assert!(snapshot.parts.contains_key("sms.hbs"));
    assert_eq!(versions.find(&snapshot.template_version.to_string()).await.unwrap(), std::slice::from_ref(snapshot));
}

#[tokio::test]
async fn providers_keep_drains_states_and_parked_receipts() {
    let migrated = Migrated::open().await;
    let providers = migrated.store.providers();

    let states = providers.provider_states().await.unwrap();
    let drains = providers.drains().await.unwrap();

    let app = states.iter().find(|state| state.provider == ProviderName("app".to_owned())).unwrap();
    assert_eq!((app.circuit.as_str(), app.attempts, app.failures), ("open", 20, 20));
    assert!(app.latency.is_some() && states.len() == 3);
    assert_eq!(drains[0].reason.as_deref(), Some("contract ended"));
    assert_eq!(
        migrated.store.retention().prune_receipts(NOW.after(std::time::Duration::from_hours(73))).await.unwrap(),
        1
    );
}
