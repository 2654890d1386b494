//! The conformance suite of the store: one list of promises that every database keeps.
//!
//! It uses public verbs only. A test that looks into the database is in the file of that database.

mod acceptance;
mod after_acceptance;
mod api_tokens;
mod archives;
mod audit_log;
mod key_rotation;
mod leases;
mod memory;
mod migration;
mod postgres;
mod postgres_plans;
mod query_plans;
mod recipients;
mod report_model;
mod resend;
mod retention;

mod search;
mod shredding;
mod spending;
mod sqlite;
mod template_changes;
mod template_versions;
mod users;

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use otpost::domain::clock::{Clock, Timestamp};
use otpost::domain::contact::Channel;
use otpost::domain::delivery::{Attempt, ProviderName};
use otpost::domain::failure_detail::FailureDetail;
use otpost::domain::money::{Currency, Money};
use otpost::domain::notification::{ClientName, Content, Notification, NotificationId, Otp, Priority};
use otpost::domain::outcome::{Cause, Outcome};
use otpost::domain::recipient::{Identifier, IdentifierKind};
use otpost::domain::secret::Code;
use otpost::store::seal::Sealer;
use otpost::store::{Acceptance, Accepted, Claimed, Dedupe, Store};
use tempfile::TempDir;
use tokio::task::LocalSet;
use uuid::Uuid;

use crate::support::clock::ManualClock;

type Pending<T> = Pin<Box<dyn Future<Output = T>>>;

/// Opens a store in a folder with `seal.key`; the last argument is `min_free`.
type Open = fn(&Path, Arc<ManualClock>, u64) -> Pending<Store>;

/// A promise: its sentence and its test.
type Promise = (&'static str, fn(Fixture) -> Pending<()>);

/// All promises.
fn promises() -> Vec<Promise> {
    [
        acceptance::PROMISES,
        api_tokens::PROMISES,
        after_acceptance::PROMISES,
        key_rotation::PROMISES,
        leases::PROMISES,
        audit_log::PROMISES,
        archives::PROMISES,
        recipients::PROMISES,
        resend::PROMISES,
        report_model::PROMISES,
        retention::PROMISES,
        search::PROMISES,
        spending::PROMISES,
        template_changes::PROMISES,
        template_versions::PROMISES,
        users::PROMISES,
    ]
    .concat()
}

/// Runs each promise with a store of its own and names those that are broken.
async fn keeps_every_promise(open: Open) {
    let mut broken = Vec::new();
    let tasks = LocalSet::new();
    for (sentence, test) in promises() {
        let it = Fixture::new(open).await;
        // When a promise panics, only its own task ends.
        if tasks.run_until(async { tokio::task::spawn_local(test(it)).await }).await.is_err() {
            broken.push(sentence);
        }
    }
    assert!(broken.is_empty(), "broken: {broken:#?}");
}

/// The store of one promise, with its clock and folder.
struct Fixture {
    folder: TempDir,
    clock: Arc<ManualClock>,
    open: Open,
    store: Store,
}

impl Fixture {
    async fn new(open: Open) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new();
        Sealer::create_key(&folder.path().join("seal.key")).unwrap();
        let store = open(folder.path(), Arc::clone(&clock), 0).await;
        Self { folder, clock, open, store }
    }

    async fn reopened(self) -> Self {
        self.store.close().await.unwrap();
        let store = (self.open)(self.folder.path(), Arc::clone(&self.clock), 0).await;
        Self { store, ..self }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn code(&self, code: &str) -> Acceptance {
        let received_at = self.now();
        let identifiers = vec![Identifier { kind: IdentifierKind::StorageCustomer, value: "1337".to_owned() }];
        let money = Money { minor: 1000, currency: Currency::parse("PLN").unwrap() };
        let merchant = "merchant test".to_owned();
        let content = Content::Otp(Otp { code: Code::parse(code.to_owned()).unwrap(), money, merchant });
        let id = NotificationId(Uuid::now_v7());
        let client = ClientName("processor".to_owned());
        Acceptance {
            notification: Notification { id, client, received_at, identifiers, content, warnings: Vec::new() },
            certificate: None,
            expires_at: received_at.after(Duration::from_mins(5)),
            replaces_until: received_at.after(Duration::from_mins(5)),
            dedupe: Dedupe::Never,
            endpoint: "/notifications/otp",
            leased: true,
        }
    }

    /// A code that was accepted and is leased.
    async fn held(&self) -> Claimed {
        match self.store.accept(self.code("48151623")).await.unwrap() {
            Accepted::New(Some(claimed)) => *claimed,
            other => unreachable!("{other:?}"),
        }
    }

    /// Claims the one delivery that is due.
    async fn claim_one(&self) -> Claimed {
        let mut claims = self.store.claim(Priority::Otp, 10).await.unwrap();
        assert_eq!(claims.len(), 1);
        claims.remove(0)
    }

    async fn nothing_is_due(&self) -> bool {
        self.store.claim(Priority::Otp, 10).await.unwrap().is_empty()
    }

    fn attempt(&self, number: u32, outcome: Outcome) -> Attempt {
        Attempt {
            number,
            channel: Channel::Sms,
            provider: ProviderName("primary".to_owned()),
            contact: 0,
            masked_contact: "+48*****0200".to_owned(),
            contact_hash: Some([7; 16]),
            country: "PL".parse().ok(),
            started_at: self.now(),
            took: Duration::from_millis(12),
            outcome,
            detail: None,
            segments: None,
            template_version: None,
            cost: None,
            failure: None,
        }
    }

    fn taken(&self, number: u32) -> Attempt {
        self.attempt(number, Outcome::accepted(None))
    }

    /// A failed SMS of three segments with all that is recorded of it.
    fn detailed(&self, number: u32) -> Attempt {
        let detail = FailureDetail::new("HTTP 401, code 17: {\"error\":\"unknown key\"}");
        Attempt { detail, segments: Some(3), ..self.attempt(number, Outcome::failed(Cause::Unauthorized)) }
    }

    fn deferred(&self, number: u32) -> Attempt {
        self.attempt(number, Outcome::deferred(Cause::ProviderDown))
    }

    /// The kinds of all audit events of a delivery, in order.
    async fn events(&self, delivery: Uuid) -> Vec<String> {
        let detail = self.store.reports().delivery(delivery).await.unwrap().unwrap();
        detail.events.into_iter().map(|event| event.kind).collect()
    }

    async fn state(&self, delivery: Uuid) -> String {
        self.store.reports().delivery(delivery).await.unwrap().unwrap().line.state
    }

    async fn count(&self) -> usize {
        let filter = otpost::store::reports::DeliveryFilter::newest(10_000);
        self.store.reports().deliveries(&filter).await.unwrap().lines.len()
    }
}
