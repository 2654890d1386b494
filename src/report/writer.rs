//! What a report is written to, whatever its format.

use std::io;

use super::cell::Cell;

/// A column and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub meaning: &'static str,
    /// Whether a table on a terminal has it.
    pub in_table: bool,
}

/// What stands above the rows.
#[derive(Debug, Clone)]
pub struct Header {
    /// Such as `summary`.
    pub report: &'static str,
    /// Names and values: the range, how far deliveries are counted.
    pub facts: Vec<(&'static str, String)>,
    pub columns: Vec<Column>,
}

/// A format. Rows are written as they come and not kept.
pub trait ReportWriter {
    fn begin(&mut self, header: &Header) -> io::Result<()>;
    /// The cells of a row, one for each column.
    fn row(&mut self, cells: &[Cell]) -> io::Result<()>;
    fn finish(&mut self) -> io::Result<()>;
}
