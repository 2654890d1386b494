//! Tables in memory as the store's database: the conformance suite. The simulation relies on them doing what SQLite does.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use otpost::domain::outcome::{Outcome, Reference};
use otpost::domain::recipient::RecipientId;
use otpost::flow::tasks::report_keeper::{CountStep, ReportKeeper, recount};
use otpost::store::memory::{FaultInjector, InjectedFault, Memory, NoFaults};
use otpost::store::{LEASE, Share, Store, seal};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
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

/// Fails calls by chance, before or after they have happened, as a process does that is killed.
struct Killed {
    chance: Mutex<StdRng>,
    is_calm: AtomicBool,
}

impl Killed {
    fn decide(&self) -> Result<(), InjectedFault> {
        let is_killed = !self.is_calm.load(Ordering::Relaxed) && self.chance.lock().unwrap().random_ratio(1, 6);
        if is_killed { Err(InjectedFault::Temporary) } else { Ok(()) }
    }
}

#[async_trait]
impl FaultInjector for Killed {
    async fn before(&self, _: &'static str) -> Result<(), InjectedFault> {
        self.decide()
    }

    async fn after(&self, _: &'static str) -> Result<(), InjectedFault> {
        self.decide()
    }
}

#[tokio::test]
async fn wherever_the_counting_of_reports_is_killed_its_counts_are_those_of_a_recount() {
    for seed in 0..60 {
        let it = Fixture::new(open).await;
        let killed =
            Arc::new(Killed { chance: Mutex::new(StdRng::seed_from_u64(seed)), is_calm: AtomicBool::new(false) });
        let memory = TABLES.with_borrow(|tables| Arc::clone(&tables[it.folder.path()]));
        let sealing = seal::Settings { key_file: it.folder.path().join("seal.key") };
        killed.is_calm.store(true, Ordering::Relaxed);
        let (faults, clock) = (Arc::clone(&killed) as _, Arc::clone(&it.clock) as _);
        let counting = Store::in_memory(&memory, faults, &sealing, clock, 0, Box::new(Uuid::now_v7)).await.unwrap();
        killed.is_calm.store(false, Ordering::Relaxed);
        let mut chance = StdRng::seed_from_u64(seed);
        let (mut waiting, mut kills) = (Vec::new(), 0);

        for number in 0..80 {
            let reference = format!("r{number}");
            let attempt = it.attempt(1, Outcome::accepted(Reference::new(&reference)));
            it.store.await_receipt(it.held().await, Some(attempt)).await.unwrap();
            waiting.push(reference);
            it.clock.move_on(Duration::from_mins(chance.random_range(0..40)));
            if chance.random_ratio(1, 2) {
                let reference = waiting.swap_remove(chance.random_range(0..waiting.len()));
                let expires = chance.random_ratio(1, 4);
                super::report_model::report(&it, &reference, expires).await;
            }
            // A keeper that is killed begins anew with what is stored.
            kills += u32::from(ReportKeeper::new(&counting).step().await.is_err());
        }
        killed.is_calm.store(true, Ordering::Relaxed);
        while ReportKeeper::new(&counting).step().await.unwrap() != CountStep::Done {}

        let found = recount(&counting, |_| ()).await.unwrap();
        assert_eq!((found.deliveries, found.wrong_deliveries, found.wrong_counts), (80, 0, 0), "seed {seed}");
        assert!(kills > 10, "only {kills} kills with seed {seed}");
    }
}
