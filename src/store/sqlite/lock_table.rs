//! The processes that read the database, from the system's table of file locks.
//!
//! SQLite marks each reader by a shared lock on one of five bytes of the WAL's index file. Systems without
//! `/proc/locks` name nobody.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The bytes that readers lock (`WAL_READ_LOCK(0)` to `(4)` in SQLite's `wal.c`).
const READER_BYTES: std::ops::RangeInclusive<u64> = 123..=127;

/// Each reader's process id and name, as in `1234 sqlite3`.
pub(super) fn readers(index: &Path) -> Vec<String> {
    let Ok(inode) = fs::metadata(index).map(|file| file.ino()) else { return Vec::new() };
    let table = fs::read_to_string("/proc/locks").unwrap_or_default();
    let mut processes: Vec<u32> = table.lines().filter_map(|line| reader(line, inode)).collect();
    processes.sort_unstable();
    processes.dedup();
    processes.into_iter().map(described).collect()
}

// A line such as `12: POSIX  ADVISORY  READ 1234 08:01:5678 124 124`.
fn reader(line: &str, inode: u64) -> Option<u32> {
    let mut words = line.split_whitespace().skip(1);
    let (_sort, _mode, kind, process, file) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let (first, last): (u64, u64) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let is_same_file = file.rsplit(':').next()?.parse() == Ok(inode);
    let is_reader = kind == "READ" && READER_BYTES.contains(&first) && READER_BYTES.contains(&last);
    (is_same_file && is_reader).then(|| process.parse().ok()).flatten()
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
