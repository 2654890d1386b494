//! The formats of reports, by name.

use std::fs::File;
use std::io::{BufWriter, Write};

use serde::Deserialize;
use strum::{EnumString, IntoStaticStr};

use super::csv::{Csv, Style};
use super::json::JsonLines;
use super::text::TextTable;
use super::writer::ReportWriter;
use super::xlsx::Xlsx;

/// The form in which a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, EnumString, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case", const_into_str)]
pub enum ReportFormat {
    Table,
    Csv,
    CsvRaw,
    Json,
    Xlsx,
}

impl ReportFormat {
    /// The names of all, for errors.
    pub const NAMES: &'static str = "table, csv, csv-raw, json or xlsx";

    /// What the name of such a file ends with.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Table => "txt",
            Self::Csv => "csv",
            Self::CsvRaw => "raw.csv",
            Self::Json => "jsonl",
            Self::Xlsx => "xlsx",
        }
    }

    /// Writes to a stream. `None` for XLSX, which is a file.
    pub fn to_stream<'a>(self, to: impl Write + Send + 'a, style: Style) -> Option<Box<dyn ReportWriter + Send + 'a>> {
        let style = Style { raw: self == Self::CsvRaw, ..style };
        Some(match self {
            Self::Table => Box::new(TextTable::new(to)),
            Self::Csv | Self::CsvRaw => Box::new(Csv::new(to, style)),
            Self::Json => Box::new(JsonLines::new(to)),
            Self::Xlsx => return None,
        })
    }

    /// Writes to a file.
    pub fn to_file(self, to: File, style: Style) -> Box<dyn ReportWriter + Send> {
        match self {
            Self::Xlsx => Box::new(Xlsx::new(BufWriter::new(to))),
            Self::Table => Box::new(TextTable::new(BufWriter::new(to))),
            Self::Json => Box::new(JsonLines::new(BufWriter::new(to))),
            Self::Csv | Self::CsvRaw => {
                Box::new(Csv::new(BufWriter::new(to), Style { raw: self == Self::CsvRaw, ..style }))
            }
        }
    }
}
