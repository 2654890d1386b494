//! Reads a file of recipients row by row, as CSV or JSON Lines. Memory use does not depend on its length.

use std::io::{self, Read};

use strum::EnumString;

use super::csv_rows::CsvRows;
use super::encoding::Utf8Reader;
use super::jsonl::JsonlRows;
use super::lines::Lines;
use super::row::{Row, RowError};

/// Rows in order. An outer error ends the import; an inner one rejects its row only.
pub type RowReader = Box<dyn Iterator<Item = io::Result<Result<Row, RowError>>>>;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString)]
#[strum(serialize_all = "lowercase")]
pub enum ImportFormat {
    Csv,
    #[strum(serialize = "jsonl", serialize = "ndjson")]
    JsonLines,
}

impl ImportFormat {
    /// By the extension of a file's name.
    pub fn of_name(name: &str) -> Option<Self> {
        name.rsplit_once('.').and_then(|(_, extension)| extension.to_ascii_lowercase().parse().ok())
    }

    /// The rows of a file.
    ///
    /// # Errors
    /// The file as a whole cannot be used, and what is wrong with it.
    pub fn rows(self, file: impl Read + 'static) -> Result<RowReader, String> {
        let lines = Lines::new(Utf8Reader::open(file)?);
        Ok(match self {
            Self::Csv => Box::new(CsvRows::open(lines)?),
            Self::JsonLines => Box::new(JsonlRows::open(lines)),
        })
    }
}
