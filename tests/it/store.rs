//! What every store must keep, whichever database is behind it: one list of promises, run against each.
//!
//! Only public verbs are used. What a promise needs to see inside the database is in the file of that database.

mod acceptance;
mod directory;
mod leases;
mod memory;
mod record;
mod retention;
mod sqlite;
mod template_version;

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use otpost::domain::clock::{Clock, Timestamp};
use otpost::domain::contact::Channel;
use otpost::domain::delivery::{Attempt, ProviderName};
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

/// Opens a store in a folder that holds `seal.key`; with so many bytes to be kept free.
type Open = fn(&Path, Arc<ManualClock>, u64) -> Pending<Store>;

/// A promise: its sentence, and what proves it.
type Promise = (&'static str, fn(Room) -> Pending<()>);

/// Every promise there is.
fn promises() -> Vec<Promise> {
    [
        acceptance::PROMISES,
        leases::PROMISES,
        record::PROMISES,
        directory::PROMISES,
        retention::PROMISES,
        template_version::PROMISES,
    ]
    .concat()
}

/// Runs each promise in a room of its own and names those that are broken.
async fn keeps_every_promise(open: Open) {
    let mut broken = Vec::new();
    let tasks = LocalSet::new();
    for (sentence, proof) in promises() {
        let room = Room::new(open).await;
        // A task of its own ends alone when it panics.
        if tasks.run_until(async { tokio::task::spawn_local(proof(room)).await }).await.is_err() {
            broken.push(sentence);
        }
    }
    assert!(broken.is_empty(), "broken: {broken:#?}");
}

/// A store of its own for each promise.
struct Room {
    folder: TempDir,
    clock: Arc<ManualClock>,
    open: Open,
    store: Store,
}

impl Room {
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
        let subjects = vec![Identifier { kind: IdentifierKind::StorageCustomer, value: "1337".to_owned() }];
        let money = Money { minor: 1000, currency: Currency::parse("PLN").unwrap() };
        let merchant = "merchant test".to_owned();
        let content = Content::Otp(Otp { code: Code::parse(code.to_owned()).unwrap(), money, merchant });
        let id = NotificationId(Uuid::now_v7());
        let client = ClientName("processor".to_owned());
        Acceptance {
            notification: Notification { id, client, received_at, subjects, content, warnings: Vec::new() },
            expires_at: received_at.after(Duration::from_mins(5)),
            dedupe: Dedupe::Never,
            endpoint: "/notifications/otp",
            leased: true,
        }
    }

    /// A code that was accepted and is held.
    async fn held(&self) -> Claimed {
        match self.store.accept(self.code("48151623")).await.unwrap() {
            Accepted::New(Some(claimed)) => *claimed,
            other => unreachable!("{other:?}"),
        }
    }

    /// Takes the one delivery that is due.
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
            address: "+48*****0200".to_owned(),
            started_at: self.now(),
            took: Duration::from_millis(12),
            outcome,
            template_version: None,
        }
    }

    fn taken(&self, number: u32) -> Attempt {
        self.attempt(number, Outcome::accepted(None))
    }

    fn deferred(&self, number: u32) -> Attempt {
        self.attempt(number, Outcome::deferred(Cause::ProviderDown))
    }

    /// The kinds of all audit events of a delivery, in order.
    async fn events(&self, delivery: Uuid) -> Vec<String> {
        let told = self.store.delivery(delivery).await.unwrap().unwrap();
        told.events.into_iter().map(|event| event.kind).collect()
    }

    async fn state(&self, delivery: Uuid) -> String {
        self.store.delivery(delivery).await.unwrap().unwrap().line.state
    }

    async fn count(&self) -> usize {
        let filter = otpost::store::reports::DeliveryFilter { state: None, kind: None, limit: 10_000 };
        self.store.deliveries(&filter).await.unwrap().len()
    }
}
