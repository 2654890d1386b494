//! The keys of the read model, by id and by name. They are few and never change, so each is read once.

use std::collections::HashMap;

use crate::domain::report_line::ReportKey;
use crate::store::{Error, Store};

const PAGE: u32 = 5_000;

/// The keys that are known to this process.
#[derive(Debug, Default)]
pub(super) struct ReportKeys {
    by_id: HashMap<i64, ReportKey>,
    ids: HashMap<ReportKey, i64>,
    last: i64,
}

impl ReportKeys {
    /// Reads the keys that were added since.
    pub(super) async fn refresh(&mut self, store: &Store) -> Result<(), Error> {
        loop {
            let page = store.report_model().report_keys(self.last, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            self.last = *last;
            self.learn(page);
        }
    }

    /// Makes ids for keys that have none.
    pub(super) async fn add(&mut self, store: &Store, keys: impl Iterator<Item = &ReportKey>) -> Result<(), Error> {
        let mut new: Vec<ReportKey> = keys.filter(|key| !self.ids.contains_key(key)).cloned().collect();
        new.sort_unstable();
        new.dedup();
        if !new.is_empty() {
            self.learn(store.report_model().report_key_ids(&new).await?);
        }
        Ok(())
    }

    pub(super) fn id(&self, key: &ReportKey) -> Result<i64, Error> {
        self.ids.get(key).copied().ok_or_else(|| inconsistent("new"))
    }

    pub(super) fn key(&self, id: i64) -> Result<&ReportKey, Error> {
        self.by_id.get(&id).ok_or_else(|| inconsistent(&id.to_string()))
    }

    fn learn(&mut self, keys: Vec<(i64, ReportKey)>) {
        for (id, key) in keys {
            self.ids.insert(key.clone(), id);
            self.by_id.insert(id, key);
        }
    }
}

fn inconsistent(id: &str) -> Error {
    Error::Inconsistent { table: "report_key", id: id.to_owned(), what: "key" }
}
