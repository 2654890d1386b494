//! Tables in memory as the store's database: the conformance suite. The simulation relies on them doing what SQLite does.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use otpost::domain::recipient::RecipientId;
use otpost::store::memory::{FaultInjector, InjectedFault, Memory, NoFaults};
use otpost::store::{LEASE, Share, Store, seal};
use uuid::Uuid;

use super::{Fixture, Pending, keeps_every_promise};
use crate::support::clock::ManualClock;

thread_local! {
    // A store that is reopened in the same folder finds its tables again.
    static TABLES: RefCell<HashMap<PathBuf, Arc<Memory>>> = RefCell::default();
}

#[tokio::test]
async fn memory_keeps_every_promise() {
    keeps_every_promise(open).await;
}

fn open(folder: &Path, clock: Arc<ManualClock>, min_free: u64) -> Pending<Store> {
    let memory = TABLES.with_borrow_mut(|tables| Arc::clone(tables.entry(folder.to_owned()).or_default()));
    let sealing = seal::Settings { key_file: folder.join("seal.key") };
    Box::pin(async move {
        Store::in_memory(&memory, Arc::new(NoFaults), &sealing, clock, min_free, Box::new(Uuid::now_v7)).await.unwrap()
    })
}

/// Fails some calls of these verbs, as another process does that holds the lock of the database.
struct Locked {
    verbs: [&'static str; 4],
    left: AtomicU32,
}

#[async_trait]
impl FaultInjector for Locked {
    async fn before(&self, verb: &'static str) -> Result<(), InjectedFault> {
        let is_locked = self.verbs.contains(&verb)
            && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        if is_locked { Err(InjectedFault::Temporary) } else { Ok(()) }
    }

    async fn after(&self, _: &'static str) -> Result<(), InjectedFault> {
        Ok(())
    }
}

#[tokio::test]
async fn a_held_delivery_does_not_wait_for_its_lease_when_the_database_is_locked() {
    let it = Fixture::new(open).await;
    let locked =
        Arc::new(Locked { verbs: ["renew", "split", "predecessor", "is_superseded"], left: AtomicU32::new(0) });
    let memory = TABLES.with_borrow(|tables| Arc::clone(&tables[it.folder.path()]));
    let sealing = seal::Settings { key_file: it.folder.path().join("seal.key") };
    let (faults, clock) = (Arc::clone(&locked) as _, Arc::clone(&it.clock) as _);
    let it = Fixture {
        store: Store::in_memory(&memory, faults, &sealing, clock, 0, Box::new(Uuid::now_v7)).await.unwrap(),
        ..it
    };
    let mut held = it.held().await;
    let shares = [1, 2].map(|number| Share { recipient: RecipientId(Uuid::from_u128(number)), channels: Vec::new() });
    it.clock.move_on(LEASE / 2);

    locked.left.store(3, Ordering::Relaxed);
    assert!(!it.store.ensure_lease(&mut held, LEASE).await.unwrap());
    locked.left.store(3, Ordering::Relaxed);
    assert!(!it.store.is_superseded(&held).await.unwrap());
    locked.left.store(3, Ordering::Relaxed);
    let all = it.store.split(held, &shares).await.unwrap();

    assert_eq!((all.len(), locked.left.load(Ordering::Relaxed)), (2, 0));
}
