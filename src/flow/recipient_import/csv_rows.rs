//! CSV files of recipients: a header names the columns, and semicolons separate several values in a cell.
//!
//! A file is taken as spreadsheets save it: separated by commas, semicolons, tabs or bars, with a first line `sep=;`, with
//! rows and last columns that are empty.

use std::borrow::Cow;
use std::io::{self, Read};

use super::csv_line;
use super::csv_line::{QuoteError, QuoteReason};
use super::encoding::SAVE_AS;
use super::lines::{Line, Lines};
use super::row::{ImportColumn, Row, RowError};

/// The first one stands for all if the header has no column of ours.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

pub(super) struct CsvRows<R> {
    lines: Lines<R>,
    separator: u8,
    /// `None` for a column without a name. The last one has a name.
    columns: Vec<Option<ImportColumn>>,
}

impl<R: Read> CsvRows<R> {
    /// Reads the header. The error names the column that is unknown, missing or duplicate.
    pub(super) fn open(mut lines: Lines<R>) -> Result<Self, String> {
        let mut header = next_line(&mut lines)?;
        let mut separator = None;
        if let Some(named) = named_separator(&header.bytes) {
            separator = Some(named?);
            header = next_line(&mut lines)?;
        }
        let separator = separator.unwrap_or_else(|| separator_of(&header.bytes));
        let cells = csv_line::split(&header.bytes, separator)
            .map_err(|error| format!("line {}, header: a {}", header.number, mark(&error)))?;
        let columns = columns(&cells)?;
        Ok(Self { lines, separator, columns })
    }

    fn row(&mut self, line: &Line) -> io::Result<Option<Result<Row, RowError>>> {
        let cells = match csv_line::split(&line.bytes, self.separator) {
            Ok(cells) => cells,
            Err(error) => return self.quote_error(line.number, error).map(|error| Some(Err(error))),
        };
        let is_empty = |cell: &Cow<'_, [u8]>| cell.trim_ascii().is_empty();
        if cells.iter().all(is_empty) {
            return Ok(None);
        }
        Ok(Some(self.values(line.number, &cells)))
    }

    fn values(&self, line: u64, cells: &[Cow<'_, [u8]>]) -> Result<Row, RowError> {
        let surplus = cells.iter().skip(self.columns.len()).any(|cell| !cell.trim_ascii().is_empty());
        if cells.len() < self.columns.len() || surplus {
            let hint = match self.separator {
                b';' => "; a cell with several values needs quotation marks",
                _ => "",
            };
            let (expected, found) = (self.columns.len(), cells.len());
            return Err(RowError::of_row(line, format_args!("expected {expected} cells, found {found}{hint}")));
        }
        let mut values = Vec::with_capacity(cells.len());
        for (at, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            let text = std::str::from_utf8(cell).map_err(|_| not_utf8(line, *column))?.trim();
            let Some(column) = *column else {
                if text.is_empty() {
                    continue;
                }
                return Err(RowError::of_row(line, format_args!("cell {}: its column has no name", at + 1)));
            };
            let is_list =
                matches!(column, ImportColumn::Channels | ImportColumn::Identifier(_) | ImportColumn::Contact(_));
            let separate = |c: char| is_list && c == ';';
            let parts = text.split(separate).map(str::trim).filter(|part| !part.is_empty());
            values.extend(parts.map(|part| (column, part.to_owned())));
        }
        Ok(Row { line, cells: values })
    }

    // The row ends with its line. The lines that follow are rows of their own, wherever the mark may be closed.
    fn quote_error(&mut self, line: u64, error: QuoteError) -> io::Result<RowError> {
        let column = self.columns.get(error.cell).copied().flatten();
        let covered = match error.reason {
            QuoteReason::Unclosed => match self.lines.find_ahead(csv_line::closes_quotation)? {
                Some(end) => format!("; it would cover {} lines, to line {end}", end - line + 1),
                None => "; it would cover all lines that follow".to_owned(),
            },
            QuoteReason::InTheMiddle | QuoteReason::TextBehind => String::new(),
        };
        let reason = format!("a {}{covered}", mark(&error));
        Ok(match column {
            Some(column) => RowError::of_cell(line, column, reason),
            None => RowError::of_row(line, reason),
        })
    }
}

impl<R: Read> Iterator for CsvRows<R> {
    type Item = io::Result<Result<Row, RowError>>;
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.lines.next().and_then(|line| line.map(|line| self.row(&line)).transpose()) {
                Ok(None) => return None,
                Ok(Some(None)) => {}
                Ok(Some(Some(row))) => return Some(Ok(row)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The error for a value that is not UTF-8.
pub(super) fn not_utf8(line: u64, column: Option<ImportColumn>) -> RowError {
    let reason = format!("not UTF-8; the file may be in a Windows code page such as Windows-1250: {SAVE_AS}");
    match column {
        Some(column) => RowError::of_cell(line, column, reason),
        None => RowError::of_row(line, reason),
    }
}

fn next_line<R: Read>(lines: &mut Lines<R>) -> Result<Line, String> {
    loop {
        let line = lines.next().map_err(|error| error.to_string())?.ok_or("the file is empty")?;
        if !line.bytes.trim_ascii().is_empty() {
            return Ok(line);
        }
    }
}

// Excel's own first line, which Excel does not show.
fn named_separator(line: &[u8]) -> Option<Result<u8, String>> {
    let line = line.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(line);
    let (name, separator) = line.split_at_checked(4)?;
    let known = || match separator {
        [one] if SEPARATORS.contains(one) => Ok(*one),
        _ => Err("line 1: sep= names an unknown separator; expected a comma, a semicolon, a tab or a bar".to_owned()),
    };
    name.eq_ignore_ascii_case(b"sep=").then(known)
}

// The one that makes most columns known, and of equals the first.
fn separator_of(header: &[u8]) -> u8 {
    let known = |separator: &u8| {
        let cells = csv_line::split(header, *separator).unwrap_or_default();
        cells.iter().filter(|cell| name(cell).is_some_and(|name| ImportColumn::from_name(name).is_some())).count()
    };
    SEPARATORS.into_iter().rev().max_by_key(known).unwrap_or(SEPARATORS[0])
}

fn name(cell: &[u8]) -> Option<&str> {
    std::str::from_utf8(cell).ok().map(str::trim)
}

fn columns(header: &[Cow<'_, [u8]>]) -> Result<Vec<Option<ImportColumn>>, String> {
    let mut columns = Vec::with_capacity(header.len());
    for (at, cell) in header.iter().enumerate() {
        let name = name(cell).unwrap_or("?");
        let column = ImportColumn::from_name(name);
        if column.is_none() && !name.is_empty() {
            return Err(unknown(name, at + 1));
        }
        if column.is_some() && columns.contains(&column) {
            return Err(format!("duplicate column {name}"));
        }
        columns.push(column);
    }
    let named = columns.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    columns.truncate(named);
    match [ImportColumn::Recipient, ImportColumn::Locale].into_iter().find(|needed| !columns.contains(&Some(*needed))) {
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
    format!("columns are named {}", names.join(", "))
}

fn mark(error: &QuoteError) -> String {
    let character = error.character;
    match error.reason {
        QuoteReason::Unclosed => {
            format!("quotation mark opens at character {character} and is not closed on its line")
        }
        QuoteReason::InTheMiddle => format!(
            "quotation mark in the middle of a cell, at character {character}; marks belong around the whole cell"
        ),
        QuoteReason::TextBehind => {
            format!("quotation mark closes at character {character}, and text follows before the next cell")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Result<Row, String>> {
        let rows = CsvRows::open(Lines::new(text.as_bytes())).unwrap();
        rows.map(|row| row.unwrap().map_err(|error| error.to_string())).collect()
    }

    fn cells(text: &str) -> Vec<Vec<(&'static str, String)>> {
        let named = |row: Row| row.cells.into_iter().map(|(column, text)| (column.name(), text)).collect();
        rows(text).into_iter().map(|row| named(row.unwrap())).collect()
    }

    fn refused(text: &str) -> String {
        CsvRows::open(Lines::new(text.as_bytes())).err().unwrap()
    }

    #[test]
    fn every_separator_of_a_spreadsheet_is_recognised() {
        let plain = "recipient,locale,user,sms\nc-1,pl,7,\"+48600100200;+48600100300\"\n";
        let expected = cells(plain);
        assert_eq!(
            expected[0].iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            ["recipient", "locale", "user", "sms", "sms"]
        );
        for separator in [";", "\t", "|"] {
            let text = plain.replace(',', separator);
            assert_eq!(cells(&text), expected, "{separator:?}");
            assert_eq!(cells(&format!("sep={separator}\r\n{text}")), expected, "{separator:?}");
            assert_eq!(cells(&format!("\"SEP={separator}\"\n{text}")), expected, "{separator:?}");
        }
        assert!(refused("sep=:\nrecipient:locale\n").contains("unknown separator"));
        let values = rows("recipient;locale;sms\nc-1;pl;+48600100200;+48600100300\n").remove(0).unwrap_err();
        assert_eq!(values, "line 2: expected 3 cells, found 4; a cell with several values needs quotation marks");
    }

    #[test]
    fn empty_rows_and_empty_last_columns_are_passed_over() {
        let text = "\nrecipient,,locale,,\n,,,,\nc-1,,pl\nc-2,,pl,,\n\n , ,\"\", ,\nc-3,x,pl\nc-4,,pl,,x\n";
        let rows = rows(text);
        let lines = rows.iter().map(|row| row.as_ref().map_or_else(String::clone, |row| row.line.to_string()));
        let expected = ["4", "5", "line 8: cell 2: its column has no name", "line 9: expected 3 cells, found 5"];
        assert_eq!(lines.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_mark_that_is_not_closed_swallows_no_row() {
        let text =
            "recipient,locale,sms\nc-1,pl,\"+48600100200\nc-2,pl,+48600100201\nc-3,pl,\"+48600100202\"\nc-4,\"pl,x\n";
        let rows = rows(text);
        assert_eq!(
            rows[0].as_ref().unwrap_err(),
            "line 2, sms: a quotation mark opens at character 8 and is not closed on its line; it would cover 3 lines, \
             to line 4"
        );
        assert_eq!((rows[1].as_ref().unwrap().line, rows[2].as_ref().unwrap().line), (3, 4));
        assert!(rows[3].as_ref().unwrap_err().ends_with("; it would cover all lines that follow"));
        assert_eq!(rows.len(), 4);
        assert!(refused("recipient,\"locale\nc-1,pl\n").starts_with("line 1, header: a quotation mark opens"));
    }

    #[test]
    fn bytes_that_are_no_utf8_are_rejected_with_the_likely_encoding() {
        let text = b"recipient,locale,email\nc-1,pl,\xb3@example.org\nc-2,pl,a@example.org\n";
        let rows: Vec<_> = CsvRows::open(Lines::new(&text[..])).unwrap().map(Result::unwrap).collect();
        let error = rows[0].as_ref().unwrap_err().to_string();
        assert!(error.starts_with("line 2, email: not UTF-8") && error.contains("Windows-1250"), "{error}");
        assert!(rows[1].is_ok());
    }
}
