//! Counts the bytes read of a file for the progress bar.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::rc::Rc;

/// Bytes read so far.
#[derive(Debug, Clone, Default)]
pub(super) struct ImportProgress(Rc<Cell<u64>>);

impl ImportProgress {
    pub(super) fn read(&self) -> u64 {
        self.0.get()
    }
}

/// Reads a file and counts its bytes.
pub(super) struct ProgressReader {
    file: File,
    progress: ImportProgress,
}

impl ProgressReader {
    pub(super) fn new(file: File, progress: ImportProgress) -> Self {
        Self { file, progress }
    }
}

impl Read for ProgressReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.progress.0.set(self.progress.0.get() + count as u64);
        Ok(count)
    }
}
