//! Files that operators ask for and that may take a while: made in the background, kept for an hour, and given only to the
//! operator who asked.
//!
//! They survive a restart. One that was being made is then an export that failed. That somebody asks is recorded in the audit
//! log where the work is started.

mod export_folder;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use uuid::Uuid;

use crate::domain::access::Action;
use crate::domain::chain;
use crate::domain::clock::{Clock, Timestamp};
use export_folder::{ExportFolder, ExportResult, StoredExport};

/// How long a file is kept, also one that was downloaded.
pub const KEPT_FOR: Duration = Duration::from_hours(1);

/// Exports that are made at the same time, for all operators: codes need the processor, too.
const RUNNING_MAX: usize = 2;

/// Files that are kept for one operator; the oldest makes way for a new one.
const KEPT_MAX: usize = 5;

/// How often files that are too old are looked for.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// Of an export that a restart ended.
const INTERRUPTED: &str = "the gateway stopped before the file was complete; ask for it again";

/// Why an export is not started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{RUNNING_MAX} exports are being made; ask again when one of them is ready")]
    Busy,
    #[error("the disk of the database is almost full; free space on it first")]
    NoSpace,
    #[error("no file can be made in {}", folder.display())]
    File { folder: PathBuf, source: io::Error },
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportOrder {
    /// The operator, who alone may have it.
    pub owner: String,
    /// The right that the operator needs, also when the file is fetched.
    pub action: Action,
    /// What it is, as a list of exports says it.
    pub title: String,
    pub file_name: String,
    pub content_type: String,
}

/// How far the work has come: so much of so much.
#[derive(Debug, Default)]
pub struct ExportProgress([AtomicU64; 2]);

impl ExportProgress {
    pub fn set(&self, done: u64, all: u64) {
        self.0[0].store(done, Ordering::Relaxed);
        self.0[1].store(all, Ordering::Relaxed);
    }

    fn percent(&self) -> u64 {
        let [done, all] = [0, 1].map(|at| self.0[at].load(Ordering::Relaxed));
        (done * 100).checked_div(all).unwrap_or(0).min(99)
    }
}

/// How an export stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportState {
    /// So many of a hundred parts are done.
    Preparing(u64),
    /// The size of the file.
    Ready(u64),
    /// Why there is no file.
    Failed(String),
}

/// An export as its owner sees it.
#[derive(Debug, Clone)]
pub struct ExportView {
    pub id: Uuid,
    pub order: ExportOrder,
    pub state: ExportState,
    pub asked_at: Timestamp,
    pub kept_until: Timestamp,
}

struct Export {
    order: ExportOrder,
    asked_at: Timestamp,
    progress: Arc<ExportProgress>,
    /// Nothing while it is being made.
    ended: watch::Receiver<Option<ExportResult>>,
}

/// The exports of this gateway.
pub struct Exports {
    folder: ExportFolder,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    kept: Mutex<BTreeMap<Uuid, Export>>,
}

impl Exports {
    /// Files are kept in the folder `exports` of `data`; the work runs in this runtime.
    pub fn open(data: &Path, clock: Arc<dyn Clock>) -> Arc<Self> {
        let folder = ExportFolder::new(data.join("exports"));
        let kept = folder.read().into_iter().map(|(id, stored)| (id, restored(&folder, id, stored))).collect();
        let exports = Arc::new(Self { folder, clock, runtime: Handle::current(), kept: Mutex::new(kept) });
        exports.runtime.spawn(sweep(Arc::downgrade(&exports)));
        exports
    }

    /// Begins an export. `work` writes the file, and fails with a sentence.
    pub fn start<W, F>(&self, order: ExportOrder, work: W) -> Result<Uuid, Error>
    where
        W: FnOnce(File, Arc<ExportProgress>) -> F + Send + 'static,
        F: Future<Output = Result<(), String>>,
    {
        let mut exports = self.lock();
        if exports.values().filter(|it| it.ended.borrow().is_none()).count() >= RUNNING_MAX {
            return Err(Error::Busy);
        }
        let id = Uuid::new_v4();
        let stored = StoredExport { order: order.clone(), asked_at: self.clock.now(), result: None };
        let failed = |source| {
            self.folder.remove(id);
            Error::File { folder: self.folder.path().to_owned(), source }
        };
        let file = self.folder.create(id, &stored).map_err(failed)?;
        let sized = file.try_clone().map_err(failed)?;
        let (end, ended) = watch::channel(None);
        let progress = Arc::<ExportProgress>::default();
        let (runtime, seen) = (self.runtime.clone(), Arc::clone(&progress));
        let (folder, asked_at) = (self.folder.clone(), stored.asked_at);
        // A thread of its own: setting a spreadsheet takes a processor for a while.
        self.runtime.spawn_blocking(move || {
            let result = runtime.block_on(work(file, seen));
            let result = result.and_then(|()| complete(&sized).map_err(|error| error.to_string()));
            end.send_replace(Some(finish(&folder, id, stored, result)));
        });
        let oldest = exports.iter().filter(|(_, it)| it.order.owner == order.owner && it.ended.borrow().is_some());
        let mut oldest: Vec<_> = oldest.map(|(id, it)| (it.asked_at, *id)).collect();
        oldest.sort_unstable();
        for (_, id) in oldest.iter().rev().skip(KEPT_MAX - 1) {
            exports.remove(id);
            self.folder.remove(*id);
        }
        exports.insert(id, Export { order, asked_at, progress, ended });
        Ok(id)
    }

    /// Returns when the export has ended, or after `limit`.
    pub async fn wait(&self, id: Uuid, limit: Duration) {
        let Some(mut ended) = self.lock().get(&id).map(|it| it.ended.clone()) else { return };
        // One that takes longer is looked at again later.
        let _ = tokio::time::timeout(limit, ended.wait_for(Option::is_some)).await;
    }

    /// The export, if it is the owner's and is still kept.
    pub fn view(&self, id: Uuid, owner: &str) -> Option<ExportView> {
        self.lock().get(&id).filter(|it| it.order.owner == owner).map(|export| view(id, export))
    }

    /// The owner's exports, the newest first.
    pub fn of(&self, owner: &str) -> Vec<ExportView> {
        let exports = self.lock();
        let own = exports.iter().filter(|(_, it)| it.order.owner == owner);
        let mut views: Vec<_> = own.map(|(id, export)| view(*id, export)).collect();
        views.sort_by_key(|it| std::cmp::Reverse(it.asked_at));
        views
    }

    /// The complete file, if the export is the owner's.
    pub fn file(&self, id: Uuid, owner: &str) -> Option<(File, u64)> {
        let exports = self.lock();
        let export = exports.get(&id).filter(|it| it.order.owner == owner)?;
        let size = export.ended.borrow().as_ref()?.as_ref().ok().copied()?;
        Some((self.folder.open(id).ok()?, size))
    }

    // What is too old is gone at the next read, and within a minute in any case.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Uuid, Export>> {
        let mut exports = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        exports.retain(|id, it| {
            let is_kept = it.ended.borrow().is_none() || now < it.asked_at.after(KEPT_FOR);
            if !is_kept {
                self.folder.remove(*id);
            }
            is_kept
        });
        exports
    }
}

async fn sweep(exports: Weak<Exports>) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        let Some(exports) = exports.upgrade() else { return };
        drop(exports.lock());
    }
}

// An export of an earlier process.
fn restored(folder: &ExportFolder, id: Uuid, stored: StoredExport) -> Export {
    let StoredExport { order, asked_at, result } = stored.clone();
    let result = match result {
        Some(Ok(size)) if folder.open(id).is_ok() => Ok(size),
        Some(Err(why)) => Err(why),
        Some(Ok(_)) | None => finish(folder, id, stored, Err(INTERRUPTED.to_owned())),
    };
    let (_, ended) = watch::channel(Some(result));
    Export { order, asked_at, progress: Arc::default(), ended }
}

fn complete(file: &File) -> io::Result<u64> {
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

// Keeps the result; a file that cannot be found again after a restart is given out all the same.
fn finish(folder: &ExportFolder, id: Uuid, stored: StoredExport, result: ExportResult) -> ExportResult {
    if result.is_err() {
        folder.remove_file(id);
    }
    let stored = StoredExport { result: Some(result.clone()), ..stored };
    if let Err(error) = folder.keep(id, &stored) {
        tracing::warn!(error = chain(&error), "the end of an export cannot be kept in {}", folder.path().display());
    }
    result
}

fn view(id: Uuid, export: &Export) -> ExportView {
    let state = match &*export.ended.borrow() {
        None => ExportState::Preparing(export.progress.percent()),
        Some(Ok(size)) => ExportState::Ready(*size),
        Some(Err(why)) => ExportState::Failed(why.clone()),
    };
    let (order, asked_at) = (export.order.clone(), export.asked_at);
    ExportView { id, order, state, asked_at, kept_until: asked_at.after(KEPT_FOR) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tempfile::TempDir;

    use super::*;

    struct FixedClock(Mutex<Timestamp>);

    impl Clock for FixedClock {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
    }

    fn order(owner: &str) -> ExportOrder {
        ExportOrder {
            owner: owner.to_owned(),
            action: Action::ExportReports,
            title: "a report".to_owned(),
            file_name: "report.csv".to_owned(),
            content_type: "text/csv".to_owned(),
        }
    }

    fn exports() -> (Arc<Exports>, Arc<FixedClock>, TempDir) {
        let clock = Arc::new(FixedClock(Mutex::new(Timestamp::from_micros(1_800_000_000_000_000))));
        let data = tempfile::tempdir().unwrap();
        (Exports::open(data.path(), Arc::<FixedClock>::clone(&clock)), clock, data)
    }

    fn files(data: &TempDir) -> usize {
        std::fs::read_dir(data.path().join("exports")).unwrap().count()
    }

    async fn ended(exports: &Exports, owner: &str, result: Result<(), String>) -> Uuid {
        let work = move |mut file: File, _| async move {
            file.write_all(b"rows").map_err(|error| error.to_string())?;
            result
        };
        let id = exports.start(order(owner), work).unwrap();
        exports.wait(id, Duration::from_mins(1)).await;
        id
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_is_given_to_the_one_who_asked_and_to_nobody_else_for_an_hour() {
        let (exports, clock, data) = exports();
        let id = ended(&exports, "anna", Ok(())).await;

        assert_eq!(exports.view(id, "anna").unwrap().state, ExportState::Ready(4));
        assert_eq!(exports.file(id, "anna").unwrap().1, 4);
        assert!(exports.view(id, "ben").is_none() && exports.file(id, "ben").is_none());
        *clock.0.lock().unwrap() = exports.view(id, "anna").unwrap().kept_until;
        assert!(exports.view(id, "anna").is_none() && exports.file(id, "anna").is_none());
        assert_eq!(files(&data), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_export_that_failed_says_why_and_has_no_file() {
        let (exports, _, data) = exports();
        let id = ended(&exports, "anna", Err("the disk is full".to_owned())).await;
        assert_eq!(exports.view(id, "anna").unwrap().state, ExportState::Failed("the disk is full".to_owned()));
        assert!(exports.file(id, "anna").is_none());
        assert_eq!(files(&data), 1, "the manifest alone");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_restart_keeps_files_and_ends_what_was_being_made_with_a_sentence() {
        let (exports, clock, data) = exports();
        let ready = ended(&exports, "anna", Ok(())).await;
        let failed = ended(&exports, "anna", Err("the disk is full".to_owned())).await;
        let (_go, mut wait) = watch::channel(false);
        let work = move |_, _| async move { wait.changed().await.map_err(|error| error.to_string()) };
        let cut = exports.start(order("anna"), work).unwrap();
        std::fs::write(data.path().join("exports").join(format!("{}.json", Uuid::new_v4())), "{").unwrap();

        let again = Exports::open(data.path(), clock);

        assert_eq!(again.view(ready, "anna").unwrap().state, ExportState::Ready(4));
        assert_eq!(io::read_to_string(again.file(ready, "anna").unwrap().0).unwrap(), "rows");
        assert_eq!(again.view(failed, "anna").unwrap().state, ExportState::Failed("the disk is full".to_owned()));
        assert_eq!(again.view(cut, "anna").unwrap().state, ExportState::Failed(INTERRUPTED.to_owned()));
        assert!(again.file(cut, "anna").is_none() && again.of("ben").is_empty());
        assert_eq!((again.of("anna").len(), files(&data)), (3, 4));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn few_are_made_at_once_and_few_are_kept() {
        let (exports, _, data) = exports();
        let (go, wait) = watch::channel(false);
        let mut running = Vec::new();
        for _ in 0..RUNNING_MAX {
            let mut wait = wait.clone();
            let work = move |_, progress: Arc<ExportProgress>| async move {
                progress.set(1, 2);
                wait.wait_for(|go| *go).await.map(drop).map_err(|error| error.to_string())
            };
            running.push(exports.start(order("anna"), work).unwrap());
        }
        assert!(matches!(exports.start(order("ben"), |_, _| async { Ok(()) }), Err(Error::Busy)));
        go.send(true).unwrap();
        for id in running {
            exports.wait(id, Duration::from_mins(1)).await;
        }
        for _ in 0..KEPT_MAX + 2 {
            ended(&exports, "anna", Ok(())).await;
        }
        assert_eq!((exports.of("anna").len(), files(&data)), (KEPT_MAX, 2 * KEPT_MAX));
    }
}
