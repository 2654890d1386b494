//! The file that people are read from: one row at a time, whatever its format, however long it is.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use super::row::{Refusal, Row};
use super::{lines, table};
use crate::cli::Usage;

/// A row that is longer has no end: a quotation mark was not closed, or it is no such file.
const ROW_MAX: u64 = 1024 * 1024;

/// One row after another. An outer error ends the file; an inner one concerns its row only.
pub(super) type Rows = Box<dyn Iterator<Item = io::Result<Result<Row, Refusal>>>>;

/// An open file of people.
pub(super) struct Source {
    /// What it holds.
    pub(super) rows: Rows,
    /// How much of it has been read.
    pub(super) meter: Rc<Meter>,
    /// How long it is, in bytes.
    pub(super) length: u64,
}

/// How much has been read, and how much the present row may still take.
#[derive(Debug, Default)]
pub(super) struct Meter {
    read: Cell<u64>,
    allowance: Cell<u64>,
}

impl Meter {
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
pub(super) struct Metered {
    file: File,
    meter: Rc<Meter>,
}

impl Read for Metered {
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

/// Opens `path`; its ending says what format it has.
pub(super) fn open(path: &Path) -> Result<Source, Usage> {
    let wrong = |what: String| Usage(format!("{}: {what}", path.display()));
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let length = file.metadata().map_err(|error| wrong(error.to_string()))?.len();
    let meter = Rc::new(Meter::default());
    meter.begin_row();
    let metered = Metered { file, meter: Rc::clone(&meter) };
    let rows: Rows = match ending.as_str() {
        "csv" => Box::new(table::Table::open(metered, Rc::clone(&meter)).map_err(wrong)?),
        "jsonl" | "ndjson" => Box::new(lines::Lines::open(metered, Rc::clone(&meter))),
        _ => return Err(wrong("expected a name that ends in .csv or .jsonl".to_owned())),
    };
    Ok(Source { rows, meter, length })
}
