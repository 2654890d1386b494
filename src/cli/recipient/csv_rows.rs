//! CSV files of recipients: a header names the columns, and semicolons separate several values in a cell.

use std::io;
use std::rc::Rc;

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder, Trim};

use super::progress::{ImportProgress, ProgressReader};
use super::row::{ImportColumn, Row, RowError};

pub(super) struct CsvRows {
    reader: Reader<ProgressReader>,
    columns: Vec<ImportColumn>,
    record: ByteRecord,
    progress: Rc<ImportProgress>,
}

impl CsvRows {
    /// Reads the header. The error names the column that is unknown, missing or duplicate.
    pub(super) fn open(file: ProgressReader, progress: Rc<ImportProgress>) -> Result<Self, String> {
        let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(file);
        let header = reader.byte_headers().map_err(|error| without_data(error).to_string())?;
        let columns = columns(header)?;
        Ok(Self { reader, columns, record: ByteRecord::new(), progress })
    }

    fn row(&self) -> Result<Row, RowError> {
        let line = self.record.position().map_or(0, csv::Position::line);
        let (expected, found) = (self.columns.len(), self.record.len());
        if expected != found {
            return Err(RowError::of_row(line, format_args!("expected {expected} cells, found {found}")));
        }
        let mut cells = Vec::with_capacity(found);
        for (column, cell) in self.columns.iter().zip(&self.record) {
            let text = std::str::from_utf8(cell).map_err(|_| RowError::of_cell(line, *column, "not UTF-8"))?;
            match column {
                ImportColumn::Recipient | ImportColumn::Locale | ImportColumn::Status | ImportColumn::TimeZone => {
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
        self.progress.begin_row();
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => Some(Ok(self.row())),
            Ok(false) => None,
            Err(error) => Some(Err(without_data(error))),
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
            return Err(format!("duplicate column {name}"));
        }
        columns.push(column);
    }
    match [ImportColumn::Recipient, ImportColumn::Locale].into_iter().find(|needed| !columns.contains(needed)) {
        Some(missing) => Err(format!("the header has no column {}; {}", missing.name(), known())),
        None => Ok(columns),
    }
}

// Without a header the first line is personal data, so only what looks like a name is repeated.
fn unknown(name: &str, at: usize) -> String {
    let is_name = (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    let which = if is_name { format!("unknown column {name}") } else { format!("unknown column {at} in the header") };
    format!("{which}; {}", known())
}

fn known() -> String {
    let names: Vec<_> = ImportColumn::all().map(ImportColumn::name).collect();
    format!("columns are separated by commas and named {}", names.join(", "))
}

fn without_data(error: csv::Error) -> io::Error {
    match error.into_kind() {
        ErrorKind::Io(error) => error,
        _ => io::Error::other("not CSV"),
    }
}
