//! The file that people are read from: one row at a time, whatever its format, however long it is.

use std::fs::File;
use std::io;
use std::path::Path;
use std::rc::Rc;

use super::meter::{Meter, Metered};
use super::row::{Refusal, Row};
use super::{lines, table};
use crate::cli::Usage;

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

/// Opens `path`; its ending says what format it has.
pub(super) fn open(path: &Path) -> Result<Source, Usage> {
    let wrong = |what: String| Usage(format!("{}: {what}", path.display()));
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let length = file.metadata().map_err(|error| wrong(error.to_string()))?.len();
    let meter = Rc::new(Meter::default());
    meter.begin_row();
    let metered = Metered::new(file, Rc::clone(&meter));
    let rows: Rows = match ending.as_str() {
        "csv" => Box::new(table::Table::open(metered, Rc::clone(&meter)).map_err(wrong)?),
        "jsonl" | "ndjson" => Box::new(lines::Lines::open(metered, Rc::clone(&meter))),
        _ => return Err(wrong("expected a name that ends in .csv or .jsonl".to_owned())),
    };
    Ok(Source { rows, meter, length })
}
