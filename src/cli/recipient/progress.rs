//! Counts the bytes read of a file for the progress bar, and fails a row that has no end.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::rc::Rc;

/// A longer row has no end: a quotation mark is not closed, or the file has another format.
const ROW_MAX: u64 = 1024 * 1024;

/// How much was read, and how much the current row may still take.
#[derive(Debug, Default)]
pub(super) struct ImportProgress {
    read: Cell<u64>,
    allowance: Cell<u64>,
}

impl ImportProgress {
    /// Bytes read so far.
    pub(super) fn read(&self) -> u64 {
        self.read.get()
    }

    /// Starts a new row, which may take [`ROW_MAX`] bytes.
    pub(super) fn begin_row(&self) {
        self.allowance.set(ROW_MAX);
    }
}

/// Reads a file and fails a row that is too long.
pub(super) struct ProgressReader {
    file: File,
    progress: Rc<ImportProgress>,
}

impl ProgressReader {
    pub(super) fn new(file: File, progress: Rc<ImportProgress>) -> Self {
        Self { file, progress }
    }
}

impl Read for ProgressReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = self.progress.allowance.get();
        if allowed == 0 {
            return Err(io::Error::other("a row is longer than 1 MiB; a quotation mark may not be closed"));
        }
        let most = buffer.len().min(usize::try_from(allowed).unwrap_or(usize::MAX));
        let count = self.file.read(&mut buffer[..most])?;
        self.progress.allowance.set(allowed.saturating_sub(count as u64));
        self.progress.read.set(self.progress.read() + count as u64);
        Ok(count)
    }
}
