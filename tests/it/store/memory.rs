//! Tables in memory as the store's database: the conformance suite. The simulation relies on them doing what SQLite does.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use otpost::store::memory::{Memory, NoFaults};
use otpost::store::{Store, seal};
use uuid::Uuid;

use super::{Pending, keeps_every_promise};
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
