//! Lists of people (JSON Lines): one object a line. What is wrong with one is said without repeating any of it.

use std::io::{self, BufRead, BufReader};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::progress::{ImportProgress, ProgressReader};
use super::row::{ImportColumn, Row, RowError};
use crate::domain::contact::Channel;
use crate::domain::recipient::IdentifierKind;

/// Some editors begin a file with it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An open list.
pub(super) struct JsonlRows {
    reader: BufReader<ProgressReader>,
    line: u64,
    buffer: Vec<u8>,
    meter: Rc<ImportProgress>,
}

impl JsonlRows {
    /// Starts at the first line.
    pub(super) fn open(file: ProgressReader, meter: Rc<ImportProgress>) -> Self {
        Self { reader: BufReader::new(file), line: 0, buffer: Vec::new(), meter }
    }
}

impl Iterator for JsonlRows {
    type Item = io::Result<Result<Row, RowError>>;
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.meter.begin_row();
            self.buffer.clear();
            match self.reader.read_until(b'\n', &mut self.buffer) {
                Ok(0) => return None,
                Ok(_) => self.line += 1,
                Err(error) => return Some(Err(error)),
            }
            let text = match self.line {
                1 => self.buffer.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.buffer),
                _ => &self.buffer,
            };
            if !text.trim_ascii().is_empty() {
                return Some(Ok(row(self.line, text)));
            }
        }
    }
}

fn row(line: u64, text: &[u8]) -> Result<Row, RowError> {
    let not_json = |error: serde_json::Error| {
        RowError::of_row(line, format_args!("not JSON from character {} on", error.column()))
    };
    let Value::Object(keys) = serde_json::from_slice(text).map_err(not_json)? else {
        return Err(RowError::of_row(line, "expected an object"));
    };
    let mut cells = Vec::new();
    for (key, value) in keys {
        match key.as_str() {
            "recipient" => cells.push((ImportColumn::Recipient, word(value, line, ImportColumn::Recipient)?)),
            "locale" => cells.push((ImportColumn::Locale, word(value, line, ImportColumn::Locale)?)),
            "standing" => {
                cells.push((ImportColumn::RecipientStatus, word(value, line, ImportColumn::RecipientStatus)?))
            }
            "channels" => list(&mut cells, value, line, ImportColumn::Channels)?,
            "time_zone" => cells.push((ImportColumn::TimeZone, word(value, line, ImportColumn::TimeZone)?)),
            "identifiers" => lists(&mut cells, value, line, &key, &IdentifierKind::ALL.map(ImportColumn::Identifier))?,
            "contacts" => lists(&mut cells, value, line, &key, &Channel::ALL.map(ImportColumn::Contact))?,
            _ => {
                let known =
                    "an unknown key; expected person, locale, standing, channels, time_zone, identifiers and contacts";
                return Err(RowError::of_row(line, known));
            }
        }
    }
    Ok(Row { line, cells })
}

fn word(value: Value, line: u64, column: ImportColumn) -> Result<String, RowError> {
    match value {
        Value::String(text) => Ok(text),
        // The processor's numbers may be written as numbers.
        Value::Number(number) if matches!(column, ImportColumn::Identifier(_)) && number.is_u64() => {
            Ok(number.to_string())
        }
        _ => Err(RowError::of_cell(line, column, "expected text")),
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
    let wrong = || RowError::of_row(line, format_args!("{name}: expected an object with lists named {}", names()));
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
    let Value::Array(values) = value else { return Err(RowError::of_cell(line, column, "expected a list")) };
    for value in values {
        cells.push((column, word(value, line, column)?));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_the_same_as_a_row_of_a_table() {
        let text = br#"{"person":"c-1","locale":"pl","identifiers":{"dc_card":["5",6]},"contacts":{"push":["t"]}}"#;
        let row = row(3, text).unwrap();
        let said: Vec<_> = row.cells.iter().map(|(column, text)| (column.name(), text.as_str())).collect();
        assert!(said.contains(&("dc_card", "6")) && said.contains(&("push", "t")), "{said:?}");
        assert!(row.entry().is_ok());
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said_without_repeating_it() {
        for text in [
            "{\"person\":\"secret\"",
            "{\"secret\":1}",
            "[\"secret\"]",
            "{\"identifiers\":{\"secret\":[]}}",
            "{\"contacts\":{\"sms\":\"secret\"}}",
            "{\"locale\":{\"secret\":1}}",
        ] {
            let said = row(9, text.as_bytes()).unwrap_err().to_string();
            assert!(said.starts_with("line 9") && !said.contains("secret"), "{said}");
        }
    }
}
