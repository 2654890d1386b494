//! Who holds a lock on a file, from the system's table of file locks: the gateway that holds the lock file, and the processes
//! that read the database.
//!
//! SQLite marks each reader by a shared lock on one of five bytes of the WAL's index file. On systems without
//! `/proc/locks` no process is known.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The bytes that readers lock (`WAL_READ_LOCK(0)` to `(4)` in SQLite's `wal.c`).
const READER_BYTES: std::ops::RangeInclusive<u64> = 123..=127;

/// Each reader's process id and name, as in `1234 sqlite3`.
pub(super) fn readers(index: &Path) -> Vec<String> {
    let Ok(inode) = fs::metadata(index).map(|file| file.ino()) else { return Vec::new() };
    let mut processes: Vec<u32> = table().lines().filter_map(|line| reader(line, inode)).collect();
    processes.sort_unstable();
    processes.dedup();
    processes.into_iter().map(described).collect()
}

/// The process that holds the whole of `file` exclusively.
pub(super) fn holder(file: &Path) -> Option<u32> {
    let metadata = fs::metadata(file).ok()?;
    let (major, minor) = (rustix::fs::major(metadata.dev()), rustix::fs::minor(metadata.dev()));
    let file = format!("{major:02x}:{minor:02x}:{}", metadata.ino());
    table().lines().find_map(|line| {
        let lock = FileLock::parse(line)?;
        (lock.sort == "FLOCK" && lock.kind == "WRITE" && lock.file == file).then_some(lock.process)
    })
}

fn table() -> String {
    fs::read_to_string("/proc/locks").unwrap_or_default()
}

/// One line: `12: POSIX  ADVISORY  READ 1234 08:01:5678 124 124`. Device numbers are hexadecimal.
struct FileLock<'a> {
    sort: &'a str,
    kind: &'a str,
    process: u32,
    /// Device and inode.
    file: &'a str,
    first: &'a str,
    last: &'a str,
}

impl<'a> FileLock<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, sort, _, kind, process, file, first, last, ..] = words[..] else { return None };
        Some(Self { sort, kind, process: process.parse().ok()?, file, first, last })
    }
}

fn reader(line: &str, inode: u64) -> Option<u32> {
    let lock = FileLock::parse(line)?;
    let (first, last): (u64, u64) = (lock.first.parse().ok()?, lock.last.parse().ok()?);
    let is_same_file = lock.file.rsplit(':').next()?.parse() == Ok(inode);
    let is_reader = lock.kind == "READ" && READER_BYTES.contains(&first) && READER_BYTES.contains(&last);
    (is_same_file && is_reader).then_some(lock.process)
}

fn described(process: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    format!("{process} {}", name.trim()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_a_shared_lock_on_a_reader_byte_of_the_file() {
        assert_eq!(reader("12: POSIX  ADVISORY  READ 1234 08:01:5678 124 124", 5678), Some(1234));
        for other in [
            "12: POSIX  ADVISORY  READ 1234 08:01:5679 124 124",
            "12: POSIX  ADVISORY  WRITE 1234 08:01:5678 120 120",
            "12: POSIX  ADVISORY  READ 1234 08:01:5678 128 128",
            "12: POSIX  ADVISORY  READ 1234 08:01:5678 0 EOF",
            "12: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF",
            "",
        ] {
            assert_eq!(reader(other, 5678), None, "{other}");
        }
    }
}
