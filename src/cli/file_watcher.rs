//! Notices that files have changed, by looking at them four times a second.
//!
//! Not by the kernel's messages: those watch a name or an inode, and miss what a rename puts in its place or a mounted
//! secret's link is turned to, unless every folder on the way is watched too. Looking costs a few microseconds.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};

/// A revoked certificate must be refused within a second: two looks, one reading.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What differs when a file is not the same any more; `None` when it is not there.
type FileFingerprint = Option<(u64, u64, u64, i64, i64, i64, i64)>;

/// Files and how they looked last.
pub(super) struct FileWatcher {
    files: Vec<(PathBuf, FileFingerprint)>,
    ticks: Interval,
    restless: bool,
}

impl FileWatcher {
    /// Begins with one file as it is now.
    pub(super) fn on(file: &Path) -> Self {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { files: vec![(file.to_owned(), print(file))], ticks, restless: false }
    }

    /// Watches these as well as the first one, and no others.
    pub(super) fn follow<'a>(&mut self, files: impl Iterator<Item = &'a Path>) {
        let mut before = std::mem::take(&mut self.files).into_iter();
        self.files.extend(before.next());
        let before: Vec<_> = before.collect();
        for file in files {
            // Whoever was watched already has not been looked at anew: a change since then is still to be told.
            let known = before.iter().find(|(known, _)| known == file).cloned();
            self.files.push(known.unwrap_or_else(|| (file.to_owned(), print(file))));
        }
    }

    /// Resolves when something has changed and everything has then kept still for one look: files that belong
    /// together are seldom replaced in one instant.
    pub(super) async fn changed(&mut self) {
        loop {
            self.ticks.tick().await;
            let mut moved = false;
            for (file, seen) in &mut self.files {
                let now = print(file);
                moved |= now != *seen;
                *seen = now;
            }
            if self.restless && !moved {
                self.restless = false;
                return;
            }
            self.restless |= moved;
        }
    }
}

fn print(file: &Path) -> FileFingerprint {
    let seen = fs::metadata(file).ok()?;
    let (changed, modified) = ((seen.ctime(), seen.ctime_nsec()), (seen.mtime(), seen.mtime_nsec()));
    Some((seen.dev(), seen.ino(), seen.len(), changed.0, changed.1, modified.0, modified.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_in_the_place_of_another_one_is_noticed_and_one_that_is_gone_too() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&file, "1").unwrap();
        let mut watch = FileWatcher::on(Path::new("/nowhere"));
        watch.follow([file.as_path()].into_iter());

        fs::write(&other, "1").unwrap();
        fs::rename(&other, &file).unwrap();
        watch.changed().await;
        fs::remove_file(&file).unwrap();
        watch.changed().await;

        let still = tokio::time::timeout(LOOK_EVERY * 4, watch.changed()).await;
        assert!(still.is_err(), "nothing has changed since");
    }
}
