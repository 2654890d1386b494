//! Reads a file of recipients row by row, as CSV or JSON Lines. Memory use does not depend on its length.

use std::fs::File;
use std::io;
use std::path::Path;

use super::csv_rows::CsvRows;
use super::encoding::Utf8Reader;
use super::jsonl::JsonlRows;
use super::lines::Lines;
use super::progress::{ImportProgress, ProgressReader};
use super::row::{Row, RowError};
use crate::cli::Usage;

/// Rows in order. An outer error ends the import; an inner one rejects its row only.
pub(super) type RowReader = Box<dyn Iterator<Item = io::Result<Result<Row, RowError>>>>;

/// An open file of recipients.
pub(super) struct ImportFile {
    pub(super) rows: RowReader,
    pub(super) progress: ImportProgress,
    /// In bytes.
    pub(super) length: u64,
}

/// Opens `path`. The extension decides the format.
pub(super) fn open(path: &Path) -> Result<ImportFile, Usage> {
    let wrong = |what: String| Usage(format!("{}: {what}", path.display()));
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let length = file.metadata().map_err(|error| wrong(error.to_string()))?.len();
    let progress = ImportProgress::default();
    let reader = Utf8Reader::open(ProgressReader::new(file, progress.clone())).map_err(wrong)?;
    let lines = Lines::new(reader);
    let rows: RowReader = match extension.as_str() {
        "csv" => Box::new(CsvRows::open(lines).map_err(wrong)?),
        "jsonl" | "ndjson" => Box::new(JsonlRows::open(lines)),
        _ => return Err(wrong("expected a .csv or .jsonl file".to_owned())),
    };
    Ok(ImportFile { rows, progress, length })
}
