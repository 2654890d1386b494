//! Counts what is read of a file, for the progress bar, and stops a row that has no end.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::rc::Rc;

/// A row that is longer has no end: a quotation mark was not closed, or it is no such file.
const ROW_MAX: u64 = 1024 * 1024;

/// How much has been read, and how much the present row may still take.
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

    /// A new row begins.
    pub(super) fn begin_row(&self) {
        self.allowance.set(ROW_MAX);
    }
}

/// A file whose rows have an end.
pub(super) struct ProgressReader {
    file: File,
    meter: Rc<ImportProgress>,
}

impl ProgressReader {
    /// Counts what is read from `file`.
    pub(super) fn new(file: File, meter: Rc<ImportProgress>) -> Self {
        Self { file, meter }
    }
}

impl Read for ProgressReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = self.meter.allowance.get();
        if allowed == 0 {
            return Err(io::Error::other("a row is longer than 1 MiB; is a quotation mark not closed?"));
        }
        let most = buffer.len().min(usize::try_from(allowed).unwrap_or(usize::MAX));
        let count = self.file.read(&mut buffer[..most])?;
        self.meter.allowance.set(allowed.saturating_sub(count as u64));
        self.meter.read.set(self.meter.read() + count as u64);
        Ok(count)
    }
}
