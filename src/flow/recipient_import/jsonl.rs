//! JSON Lines files of recipients: one object per line. An error never repeats the content of a line.

use std::io::{self, Read};

use serde_json::{Map, Value};
use strum::IntoEnumIterator;

use super::csv_rows::not_utf8;
use super::lines::Lines;
use super::row::{ImportColumn, Row, RowError};
use crate::domain::contact::Channel;
use crate::domain::recipient::IdentifierKind;

pub(super) struct JsonlRows<R> {
    lines: Lines<R>,
}

impl<R: Read> JsonlRows<R> {
    pub(super) fn open(lines: Lines<R>) -> Self {
        Self { lines }
    }
}

impl<R: Read> Iterator for JsonlRows<R> {
    type Item = io::Result<Result<Row, RowError>>;
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.lines.next() {
                Ok(None) => return None,
                Ok(Some(line)) if line.bytes.trim_ascii().is_empty() => {}
                Ok(Some(line)) => return Some(Ok(row(line.number, &line.bytes))),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn row(line: u64, bytes: &[u8]) -> Result<Row, RowError> {
    let text = std::str::from_utf8(bytes).map_err(|_| not_utf8(line, None))?;
    let not_json =
        |error: serde_json::Error| RowError::of_row(line, format_args!("not JSON, at character {}", error.column()));
    let Value::Object(keys) = serde_json::from_str(text).map_err(not_json)? else {
        return Err(RowError::of_row(line, "expected an object"));
    };
    let mut cells = Vec::new();
    for (key, value) in keys {
        match key.as_str() {
            "recipient" => cells.push((ImportColumn::Recipient, scalar(value, line, ImportColumn::Recipient)?)),
            "locale" => cells.push((ImportColumn::Locale, scalar(value, line, ImportColumn::Locale)?)),
            "status" => cells.push((ImportColumn::Status, scalar(value, line, ImportColumn::Status)?)),
            "channels" => list(&mut cells, value, line, ImportColumn::Channels)?,
            "time_zone" => cells.push((ImportColumn::TimeZone, scalar(value, line, ImportColumn::TimeZone)?)),
            "identifiers" => lists(
                &mut cells,
                value,
                line,
                &key,
                &IdentifierKind::iter().map(ImportColumn::Identifier).collect::<Vec<_>>(),
            )?,
            "contacts" => lists(&mut cells, value, line, &key, &Channel::ALL.map(ImportColumn::Contact))?,
            _ => {
                let text =
                    "unknown key; expected recipient, locale, status, channels, time_zone, identifiers and contacts";
                return Err(RowError::of_row(line, text));
            }
        }
    }
    Ok(Row { line, cells })
}

fn scalar(value: Value, line: u64, column: ImportColumn) -> Result<String, RowError> {
    match value {
        Value::String(text) => Ok(text),
        // Identifiers may be written as numbers.
        Value::Number(number) if matches!(column, ImportColumn::Identifier(_)) && number.is_u64() => {
            Ok(number.to_string())
        }
        _ => Err(RowError::of_cell(line, column, "expected a string")),
    }
}

fn lists(
    cells: &mut Vec<(ImportColumn, String)>,
    value: Value,
    line: u64,
    name: &str,
    known: &[ImportColumn],
) -> Result<(), RowError> {
    let names = || known.iter().map(|column| column.name()).collect::<Vec<_>>().join(", ");
    let wrong = || RowError::of_row(line, format_args!("{name}: expected an object of arrays named {}", names()));
    let Value::Object(object) = value else { return Err(wrong()) };
    let object: Map<String, Value> = object;
    for (key, list) in object {
        let column = known.iter().copied().find(|column| column.name() == key).ok_or_else(wrong)?;
        self::list(cells, list, line, column)?;
    }
    Ok(())
}

fn list(
    cells: &mut Vec<(ImportColumn, String)>,
    value: Value,
    line: u64,
    column: ImportColumn,
) -> Result<(), RowError> {
    let Value::Array(values) = value else { return Err(RowError::of_cell(line, column, "expected an array")) };
    for value in values {
        cells.push((column, scalar(value, line, column)?));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_means_the_same_as_a_row_of_a_csv_file() {
        let text = br#"{"recipient":"c-1","locale":"pl","identifiers":{"dc_card":["5",6]},"contacts":{"push":["t"]}}"#;
        let row = row(3, text).unwrap();
        let cells: Vec<_> = row.cells.iter().map(|(column, text)| (column.name(), text.as_str())).collect();
        assert!(cells.contains(&("dc_card", "6")) && cells.contains(&("push", "t")), "{cells:?}");
        assert!(row.record(None).is_ok());
    }

    #[test]
    fn an_error_in_a_line_never_repeats_its_content() {
        for text in [
            "{\"recipient\":\"secret\"",
            "{\"secret\":1}",
            "[\"secret\"]",
            "{\"identifiers\":{\"secret\":[]}}",
            "{\"contacts\":{\"sms\":\"secret\"}}",
            "{\"locale\":{\"secret\":1}}",
        ] {
            let error = row(9, text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("line 9") && !error.contains("secret"), "{error}");
        }
    }
}
