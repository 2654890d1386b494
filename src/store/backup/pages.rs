//! Copies the pages of a database that is in use, and then applies its write-ahead log to the copy.
//!
//! The caller holds a read transaction. Then one of two things is true. Either the log is not begun again: every page that
//! a checkpoint changes in the database file while it is copied, whole or in part, is in the log. Or everything in the log
//! was in the database file when the transaction began: then the file does not change, and the log may be begun again
//! once. Every state of the log at the end of a transaction makes a consistent database.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Error;
use super::wal_file::WalFile;
use crate::store::database_files;

/// Bytes of one step. Each is on disk before the next is read: a backlog in the system's cache would delay the commits of
/// the gateway by its whole length.
const STEP: usize = 256 * 1024;

/// The pause after a step, as a multiple of the time that it took.
const REST: u32 = 2;

/// The longest pause.
const REST_MAX: Duration = Duration::from_millis(100);

/// A log can be begun again once; one more is a defect.
const RESTARTS_MAX: u32 = 3;

/// What the log holds: the last committed content of each page that is in it.
#[derive(Default)]
struct LoggedPages {
    /// By the page's number; the place of its content in the log.
    pages: BTreeMap<u32, u64>,
    /// The size of the database, in pages; `None` when nothing is committed in the log.
    database_pages: Option<u32>,
}

/// One database being copied.
pub(super) struct PageCopy<'a> {
    source: &'a File,
    database: &'a Path,
    target: &'a File,
    path: &'a Path,
    unsynced: usize,
    began: Instant,
}

impl<'a> PageCopy<'a> {
    /// Copies `source`, which is the file at `database`, into `target`, which is the file at `path`.
    pub(super) fn new(source: &'a File, database: &'a Path, target: &'a File, path: &'a Path) -> Self {
        Self { source, database, target, path, unsynced: 0, began: Instant::now() }
    }

    /// Copies the database file; `progress` is told the bytes that are copied and all bytes.
    pub(super) async fn copy_database(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
        let mut buffer = vec![0; STEP];
        let mut done: u64 = 0;
        loop {
            let all = self.source.metadata().map_err(Error::file(self.database))?.len();
            let read = self.source.read_at(&mut buffer, done).map_err(Error::file(self.database))?;
            if read == 0 {
                return Ok(());
            }
            self.write(&buffer[..read], done)?;
            done += read as u64;
            progress(done, all.max(done));
            self.rest_after_step().await?;
        }
    }

    /// Applies what the write-ahead log holds now, and gives the copy its final length. What is written into the log
    /// meanwhile is left out, so that this ends.
    pub(super) async fn apply_log(&mut self) -> Result<(), Error> {
        let path = database_files::wal(self.database);
        for _ in 0..=RESTARTS_MAX {
            let Some(mut log) = WalFile::open(&path).map_err(Error::file(&path))? else { break };
            let logged = self.read_log(&mut log, &path).await?;
            self.write_pages(&log, &logged.pages, &path).await?;
            if !log.was_restarted().map_err(Error::file(&path))? {
                if let Some(pages) = logged.database_pages {
                    let length = u64::from(pages) * log.page_size() as u64;
                    self.target.set_len(length).map_err(Error::file(self.path))?;
                }
                break;
            }
            // The database file has everything that the log had before.
            self.copy_again(logged.pages.keys(), log.page_size()).await?;
        }
        self.target.sync_all().map_err(Error::file(self.path))
    }

    async fn read_log(&mut self, log: &mut WalFile, path: &Path) -> Result<LoggedPages, Error> {
        let mut state = LoggedPages::default();
        let (end, mut read) = (log.length().map_err(Error::file(path))?, 0);
        while log.offset() < end
            && let Some(transaction) = log.read_transaction().map_err(Error::file(path))?
        {
            read += transaction.pages.len() * log.page_size();
            state.database_pages = Some(transaction.database_pages);
            state.pages.extend(transaction.pages);
            if read >= STEP {
                read = 0;
                self.rest().await;
            }
        }
        Ok(state)
    }

    async fn write_pages(&mut self, log: &WalFile, pages: &BTreeMap<u32, u64>, path: &Path) -> Result<(), Error> {
        let mut content = vec![0; log.page_size()];
        for (page, place) in pages {
            if log.page(*place, &mut content).map_err(Error::file(path))? {
                self.write(&content, offset(*page, content.len()))?;
            }
            if self.unsynced >= STEP {
                self.rest_after_step().await?;
            }
        }
        Ok(())
    }

    async fn copy_again(&mut self, pages: impl Iterator<Item = &u32>, page_size: usize) -> Result<(), Error> {
        let mut content = vec![0; page_size];
        for page in pages {
            let place = offset(*page, page_size);
            if self.source.read_at(&mut content, place).map_err(Error::file(self.database))? == page_size {
                self.write(&content, place)?;
            }
            if self.unsynced >= STEP {
                self.rest_after_step().await?;
            }
        }
        let length = self.source.metadata().map_err(Error::file(self.database))?.len();
        self.target.set_len(length).map_err(Error::file(self.path))
    }

    fn write(&mut self, bytes: &[u8], place: u64) -> Result<(), Error> {
        self.unsynced += bytes.len();
        self.target.write_all_at(bytes, place).map_err(Error::file(self.path))
    }

    async fn rest_after_step(&mut self) -> Result<(), Error> {
        self.target.sync_data().map_err(Error::file(self.path))?;
        self.unsynced = 0;
        self.rest().await;
        Ok(())
    }

    async fn rest(&mut self) {
        tokio::time::sleep((self.began.elapsed() * REST).min(REST_MAX)).await;
        self.began = Instant::now();
    }
}

fn offset(page: u32, page_size: usize) -> u64 {
    u64::from(page.saturating_sub(1)) * page_size as u64
}
