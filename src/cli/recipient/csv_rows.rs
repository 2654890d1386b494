//! Tables of people (CSV): a header that names the columns, several values in a cell separated by semicolons.

use std::io;
use std::rc::Rc;

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder, Trim};

use super::progress::{ImportProgress, ProgressReader};
use super::row::{ImportColumn, Row, RowError};

/// An open table.
pub(super) struct CsvRows {
    reader: Reader<ProgressReader>,
    columns: Vec<ImportColumn>,
    record: ByteRecord,
    meter: Rc<ImportProgress>,
}

impl CsvRows {
    /// Reads the header; says which column is not known, or missing.
    pub(super) fn open(file: ProgressReader, meter: Rc<ImportProgress>) -> Result<Self, String> {
        let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(file);
        let header = reader.byte_headers().map_err(|error| plain(error).to_string())?;
        let columns = columns(header)?;
        Ok(Self { reader, columns, record: ByteRecord::new(), meter })
    }

    fn row(&self) -> Result<Row, RowError> {
        let line = self.record.position().map_or(0, csv::Position::line);
        let (expected, found) = (self.columns.len(), self.record.len());
        if expected != found {
            return Err(RowError::of_row(line, format_args!("expected {expected} cells, found {found}")));
        }
        let mut cells = Vec::with_capacity(found);
        for (column, cell) in self.columns.iter().zip(&self.record) {
            let text = std::str::from_utf8(cell).map_err(|_| RowError::of_cell(line, *column, "is not UTF-8"))?;
            match column {
                ImportColumn::Recipient
                | ImportColumn::Locale
                | ImportColumn::RecipientStatus
                | ImportColumn::TimeZone => {
                    push(&mut cells, *column, text);
                }
                ImportColumn::Channels | ImportColumn::Identifier(_) | ImportColumn::Contact(_) => {
                    text.split(';').for_each(|value| push(&mut cells, *column, value));
                }
            }
        }
        Ok(Row { line, cells })
    }
}

impl Iterator for CsvRows {
    type Item = io::Result<Result<Row, RowError>>;
    fn next(&mut self) -> Option<Self::Item> {
        self.meter.begin_row();
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => Some(Ok(self.row())),
            Ok(false) => None,
            Err(error) => Some(Err(plain(error))),
        }
    }
}

fn push(cells: &mut Vec<(ImportColumn, String)>, column: ImportColumn, text: &str) {
    let text = text.trim();
    if !text.is_empty() {
        cells.push((column, text.to_owned()));
    }
}

fn columns(header: &ByteRecord) -> Result<Vec<ImportColumn>, String> {
    let mut columns = Vec::with_capacity(header.len());
    for (at, name) in header.iter().enumerate() {
        let name = std::str::from_utf8(name).unwrap_or_default();
        let column = ImportColumn::from_name(name).ok_or_else(|| unknown(name, at + 1))?;
        if columns.contains(&column) {
            return Err(format!("the column {name} stands there twice"));
        }
        columns.push(column);
    }
    match [ImportColumn::Recipient, ImportColumn::Locale].into_iter().find(|needed| !columns.contains(needed)) {
        Some(missing) => Err(format!("the first line names no column {}; {}", missing.name(), known())),
        None => Ok(columns),
    }
}

// In a file without a header the first line is somebody's data: only what looks like a name is repeated.
fn unknown(name: &str, at: usize) -> String {
    let is_name = (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    let which = if is_name { format!("column {name}") } else { format!("column {at} of the first line") };
    format!("{which} is not known; {}", known())
}

fn known() -> String {
    let names: Vec<_> = ImportColumn::all().map(ImportColumn::name).collect();
    format!("columns are {}", names.join(", "))
}

fn plain(error: csv::Error) -> io::Error {
    match error.into_kind() {
        ErrorKind::Io(error) => error,
        _ => io::Error::other("not a table"),
    }
}
