//! Gauges of the write-ahead log, and the alarm when a reader keeps too much in it.
//!
//! SQLite does not tell who reads. A page that checkpoints cannot move for a time is kept by a read transaction that is at
//! least as old. The processes behind it are in the system's table of locks.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::lock_table;
use crate::store::database_files;

/// The page size of every database that otpost makes.
const PAGE: u64 = 4096;

/// A read transaction that is as old as this is reported even while the WAL is small. A backup is done earlier.
const READER_AGE_MAX: Duration = Duration::from_mins(10);

/// The write-ahead log after a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WalState {
    /// Pages in the WAL.
    pub(super) pages: i64,
    /// Pages at its beginning that are in the database file too.
    pub(super) moved: i64,
}

impl WalState {
    /// Pages that are in the WAL only.
    pub(super) fn kept(self) -> i64 {
        (self.pages - self.moved).max(0)
    }
}

/// Observes the write-ahead log of one database.
pub(super) struct WalMonitor {
    wal: PathBuf,
    index: PathBuf,
    alarm_bytes: u64,
    // What could not be moved, and since when.
    held: Option<(WalState, Instant)>,
    is_alarmed: bool,
}

/// What changed with an observation.
#[derive(Debug, PartialEq, Eq)]
enum AlarmChange {
    None,
    Raised,
    Cleared,
}

impl WalMonitor {
    /// Watches the WAL of the database at `path`; raises an alarm when more than `alarm_bytes` of it cannot be moved.
    pub(super) fn new(path: &Path, alarm_bytes: u64) -> Self {
        let (wal, index) = (database_files::wal(path), database_files::wal_index(path));
        Self { wal, index, alarm_bytes, held: None, is_alarmed: false }
    }

    /// Sets the gauges, and logs when the alarm is raised or cleared.
    pub(super) fn observe(&mut self, state: WalState) {
        // Another process was moving pages: nothing is known of the WAL now.
        if state.pages < 0 {
            return;
        }
        let now = Instant::now();
        let change = self.update(state, now);
        let (age, kept) = (self.reader_age(now), bytes(state.kept()));
        let size = std::fs::metadata(&self.wal).map_or(0, |file| file.len());
        set("otpost_store_wal_bytes", size);
        set("otpost_store_wal_kept_bytes", kept);
        metrics::gauge!("otpost_store_reader_age_seconds").set(age.as_secs_f64());
        metrics::gauge!("otpost_store_wal_alarm").set(f64::from(u8::from(self.is_alarmed)));
        match change {
            AlarmChange::None => {}
            AlarmChange::Raised => {
                let readers = lock_table::readers(&self.index).join(", ");
                tracing::error!(
                    kept_bytes = kept,
                    limit_bytes = self.alarm_bytes,
                    reader_age_s = age.as_secs(),
                    readers,
                    "a read transaction keeps the write-ahead log from being emptied; notifications are still accepted, \
                     but the file grows until that transaction ends"
                );
            }
            AlarmChange::Cleared => tracing::info!(kept_bytes = kept, "the write-ahead log is emptied again"),
        }
    }

    fn update(&mut self, state: WalState, now: Instant) -> AlarmChange {
        self.held = match self.held {
            _ if state.kept() == 0 => None,
            Some((before, since)) if before.moved == state.moved && before.pages <= state.pages => Some((state, since)),
            _ => Some((state, now)),
        };
        let is_old = self.reader_age(now) >= READER_AGE_MAX;
        let should_alarm = bytes(state.kept()) > self.alarm_bytes || is_old;
        match (std::mem::replace(&mut self.is_alarmed, should_alarm), should_alarm) {
            (false, true) => AlarmChange::Raised,
            (true, false) => AlarmChange::Cleared,
            _ => AlarmChange::None,
        }
    }

    fn reader_age(&self, now: Instant) -> Duration {
        self.held.map(|(_, since)| now.duration_since(since)).unwrap_or_default()
    }
}

fn bytes(pages: i64) -> u64 {
    u64::try_from(pages).unwrap_or(0) * PAGE
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn set(gauge: &'static str, value: u64) {
    metrics::gauge!(gauge).set(value as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor() -> WalMonitor {
        WalMonitor::new(Path::new("otpost.db"), 100 * PAGE)
    }

    fn state(pages: i64, moved: i64) -> WalState {
        WalState { pages, moved }
    }

    #[test]
    fn a_reader_is_as_old_as_the_page_that_cannot_be_moved() {
        let (mut monitor, start) = (monitor(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);

        for (second, pages, moved, age) in
            [(0, 10, 10, 0), (1, 20, 15, 0), (2, 30, 15, 1), (5, 40, 15, 4), (6, 45, 44, 0), (7, 45, 45, 0)]
        {
            monitor.update(state(pages, moved), at(second));
            assert_eq!(monitor.reader_age(at(second)), Duration::from_secs(age), "{second}");
        }
    }

    #[test]
    fn the_alarm_is_raised_once_and_cleared_once() {
        let (mut monitor, now) = (monitor(), Instant::now());

        assert_eq!(monitor.update(state(100, 0), now), AlarmChange::None);
        assert_eq!(monitor.update(state(101, 0), now), AlarmChange::Raised);
        assert_eq!(monitor.update(state(900, 0), now), AlarmChange::None);
        assert_eq!(monitor.update(state(900, 850), now), AlarmChange::Cleared);
        assert_eq!(monitor.update(state(900, 900), now), AlarmChange::None);
    }

    #[test]
    fn an_old_reader_raises_the_alarm_while_the_log_is_small() {
        let (mut monitor, now) = (monitor(), Instant::now());
        monitor.update(state(10, 5), now);

        assert_eq!(monitor.update(state(10, 5), now + READER_AGE_MAX), AlarmChange::Raised);
        assert_eq!(monitor.update(state(10, 10), now + READER_AGE_MAX), AlarmChange::Cleared);
    }

    #[test]
    fn a_log_that_began_again_is_held_by_nobody() {
        let (mut monitor, now) = (monitor(), Instant::now());
        monitor.update(state(40, 0), now);

        monitor.update(state(5, 0), now + Duration::from_secs(9));

        assert_eq!(monitor.reader_age(now + Duration::from_secs(9)), Duration::ZERO);
    }
}
