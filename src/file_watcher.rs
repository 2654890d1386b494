//! Detects that files have changed, by polling their metadata four times a second.
//!
//! It does not use the kernel's file events. They watch a name or an inode, and miss a file that a rename puts in place or
//! a mounted secret whose link is switched, unless every folder on the path is watched as well. A poll costs microseconds.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use openssl::sha::Sha256;
use tokio::time::{Interval, MissedTickBehavior};

/// A revoked certificate must be rejected within a second, a changed template used within two: two polls and one load.
pub const POLL_EVERY: Duration = Duration::from_millis(250);

/// The state of a file or of a folder, without reading any content. It is never compared across restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFingerprint([u8; 32]);

impl FileFingerprint {
    /// The state of the file at `path`, which may be missing.
    pub fn of_file(path: &Path) -> Self {
        let mut digest = Sha256::new();
        match fs::metadata(path) {
            Ok(metadata) => add_file(path, &metadata, &mut digest),
            Err(_) => digest.update(b"missing"),
        }
        Self(digest.finish())
    }

    /// The state of the files that `is_watched` accepts, in `dir` and in at most `depth - 1` levels of folders below it.
    pub fn of_folder(dir: &Path, depth: usize, is_watched: fn(&Path) -> bool) -> Self {
        let mut digest = Sha256::new();
        add_folder(dir, depth, is_watched, &mut digest);
        Self(digest.finish())
    }
}

// Links are followed: a mounted configuration replaces all of its files by switching one link.
fn add_folder(dir: &Path, depth: usize, is_watched: fn(&Path) -> bool, digest: &mut Sha256) {
    let Ok(entries) = fs::read_dir(dir) else { return digest.update(b"unreadable") };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() && depth > 1 => add_folder(&path, depth - 1, is_watched, digest),
            Ok(metadata) if metadata.is_file() && is_watched(&path) => add_file(&path, &metadata, digest),
            Ok(_) | Err(_) => {}
        }
    }
}

fn add_file(path: &Path, metadata: &Metadata, digest: &mut Sha256) {
    let name = path.as_os_str().as_encoded_bytes();
    digest.update(&(name.len() as u64).to_be_bytes());
    digest.update(name);
    for number in [metadata.dev(), metadata.ino(), metadata.len()] {
        digest.update(&number.to_be_bytes());
    }
    for time in [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()] {
        digest.update(&time.to_be_bytes());
    }
}

/// Reports a change once two polls in a row have seen the same state: files that belong together are rarely replaced in
/// one instant, and half of a set must not be loaded.
pub struct ChangeDetector<T> {
    handled: T,
    last: T,
}

impl<T: PartialEq + Clone> ChangeDetector<T> {
    /// Starts with a state that needs no handling.
    pub fn new(handled: T) -> Self {
        Self { last: handled.clone(), handled }
    }

    /// Whether the state `now` is a settled change that has not been handled.
    pub fn poll(&mut self, now: T) -> bool {
        let is_settled = now == self.last;
        self.last = now;
        is_settled && self.last != self.handled
    }

    /// Marks `state` as handled.
    pub fn handled(&mut self, state: T) {
        self.handled = state;
    }
}

/// Watches a list of files.
pub struct FileWatcher {
    detector: ChangeDetector<Vec<(PathBuf, FileFingerprint)>>,
    ticks: Interval,
}

impl FileWatcher {
    /// Watches one file, from its present state.
    pub fn on(file: &Path) -> Self {
        let mut ticks = tokio::time::interval(POLL_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { detector: ChangeDetector::new(vec![observe(file)]), ticks }
    }

    /// Watches these files as well as the first one, and no others.
    pub fn follow<'a>(&mut self, files: impl Iterator<Item = &'a Path>) {
        let known = &self.detector.handled;
        let mut next: Vec<_> = known.first().cloned().into_iter().collect();
        for file in files {
            // A file that was watched already keeps its old state: a change since then is still to be reported.
            let seen = known.iter().skip(1).find(|(path, _)| path == file).cloned();
            next.push(seen.unwrap_or_else(|| observe(file)));
        }
        self.detector = ChangeDetector::new(next);
    }

    /// Resolves when a file has changed and none has changed again for one poll.
    pub async fn changed(&mut self) {
        loop {
            self.ticks.tick().await;
            let now: Vec<_> = self.detector.handled.iter().map(|(path, _)| observe(path)).collect();
            if self.detector.poll(now.clone()) {
                return self.detector.handled(now);
            }
        }
    }
}

fn observe(file: &Path) -> (PathBuf, FileFingerprint) {
    (file.to_owned(), FileFingerprint::of_file(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_replaced_file_and_a_removed_file_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&file, "1").unwrap();
        let mut watcher = FileWatcher::on(Path::new("/nowhere"));
        watcher.follow([file.as_path()].into_iter());

        fs::write(&other, "1").unwrap();
        fs::rename(&other, &file).unwrap();
        watcher.changed().await;
        fs::remove_file(&file).unwrap();
        watcher.changed().await;

        let unchanged = tokio::time::timeout(POLL_EVERY * 4, watcher.changed()).await;
        assert!(unchanged.is_err(), "nothing has changed since");
    }

    #[test]
    fn a_watched_file_that_is_written_replaced_added_or_removed_changes_the_fingerprint_of_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let fingerprint =
            || FileFingerprint::of_folder(folder.path(), 3, |path| path.extension().is_some_and(|end| end == "hbs"));
        fs::create_dir_all(path("pl/otp")).unwrap();
        fs::write(path("pl/otp/sms.hbs"), "a").unwrap();
        let mut seen = vec![fingerprint()];

        fs::write(path("pl/otp/sms.hbs"), "ab").unwrap();
        seen.push(fingerprint());
        fs::write(path("draft"), "cd").unwrap();
        assert_eq!(fingerprint(), *seen.last().unwrap(), "a file with another name is not watched");
        fs::rename(path("draft"), path("pl/otp/sms.hbs")).unwrap();
        seen.push(fingerprint());
        fs::write(path("pl/otp/push.body.hbs"), "ab").unwrap();
        seen.push(fingerprint());
        fs::remove_file(path("pl/otp/sms.hbs")).unwrap();
        seen.push(fingerprint());
        fs::remove_dir_all(folder.path()).unwrap();
        seen.push(fingerprint());

        for (at, fingerprint) in seen.iter().enumerate() {
            assert!(!seen[..at].contains(fingerprint), "change {at} was not seen");
        }
    }

    #[test]
    fn a_change_is_reported_once_it_has_settled_until_it_is_handled() {
        let mut detector = ChangeDetector::new(1);

        let polls = [1, 2, 3, 3, 3].map(|state| detector.poll(state));
        detector.handled(3);

        assert_eq!(polls, [false, false, false, true, true]);
        assert!(!detector.poll(3));
    }
}
