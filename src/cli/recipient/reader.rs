//! The file that people are read from: one row at a time, whatever its format, however long it is.

use std::fs::File;
use std::io;
use std::path::Path;
use std::rc::Rc;

use super::progress::{ImportProgress, ProgressReader};
use super::row::{Row, RowError};
use super::{csv_rows, jsonl};
use crate::cli::Usage;

/// One row after another. An outer error ends the file; an inner one concerns its row only.
pub(super) type RowReader = Box<dyn Iterator<Item = io::Result<Result<Row, RowError>>>>;

/// An open file of people.
pub(super) struct RowFormat {
    /// What it holds.
    pub(super) rows: RowReader,
    /// How much of it has been read.
    pub(super) meter: Rc<ImportProgress>,
    /// How long it is, in bytes.
    pub(super) length: u64,
}

/// Opens `path`; its ending says what format it has.
pub(super) fn open(path: &Path) -> Result<RowFormat, Usage> {
    let wrong = |what: String| Usage(format!("{}: {what}", path.display()));
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let length = file.metadata().map_err(|error| wrong(error.to_string()))?.len();
    let meter = Rc::new(ImportProgress::default());
    meter.begin_row();
    let metered = ProgressReader::new(file, Rc::clone(&meter));
    let rows: RowReader = match ending.as_str() {
        "csv" => Box::new(csv_rows::CsvRows::open(metered, Rc::clone(&meter)).map_err(wrong)?),
        "jsonl" | "ndjson" => Box::new(jsonl::JsonlRows::open(metered, Rc::clone(&meter))),
        _ => return Err(wrong("expected a name that ends in .csv or .jsonl".to_owned())),
    };
    Ok(RowFormat { rows, meter, length })
}
