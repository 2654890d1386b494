//! One row of an import file: named cells, whatever the format, and the way from them to a person.
//!
//! A refusal says where and why, and never what stood there: these are other people's numbers.

use std::fmt::Display;

use serde::Serialize;

use super::{identifier, phone};
use crate::domain::contact::{Channel, Contact};
use crate::domain::preferences::{Preferences, RecipientTimeZone};
use crate::domain::recipient::{Identifier, IdentifierKind, Locale, RecipientRecord, RecipientStatus};

/// The longest name an operator may have for a person, in bytes.
const REFERENCE_MAX: usize = 128;

/// Numbers and addresses of one person; beyond this somebody has put a whole company into one row.
const VALUES_MAX: usize = 64;

/// What a cell says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ImportColumn {
    /// The operator's own stable name for the person.
    Recipient,
    /// The language they read.
    Locale,
    /// Whether they may be written to.
    RecipientStatus,
    /// A channel they agreed to.
    Channels,
    /// Where they live.
    TimeZone,
    /// One of the processor's numbers.
    Identifier(IdentifierKind),
    /// An address.
    Contact(Channel),
}

impl ImportColumn {
    /// Every column there is, as they are best written.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let numbers = IdentifierKind::ALL.map(Self::Identifier);
        let first = [Self::Recipient, Self::Locale, Self::RecipientStatus, Self::Channels, Self::TimeZone];
        first.into_iter().chain(numbers).chain(Channel::ALL.map(Self::Contact))
    }

    /// Its name in the header of a table.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::Locale => "locale",
            Self::RecipientStatus => "standing",
            Self::Channels => "channels",
            Self::TimeZone => "time_zone",
            Self::Identifier(kind) => kind.name(),
            Self::Contact(channel) => channel.name(),
        }
    }

    /// The column of that name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|column| column.name() == name)
    }
}

/// The cells of one row; a column may come several times, in order of preference.
#[derive(Debug)]
pub(super) struct Row {
    /// Where it begins, 1 for the first line of the file.
    pub(super) line: u64,
    /// What it says.
    pub(super) cells: Vec<(ImportColumn, String)>,
}

/// Why a row was not taken.
#[derive(Debug, Clone, Serialize)]
pub(super) struct RowError {
    /// Where the row begins.
    line: u64,
    /// Which column, unless it is the row as a whole.
    column: Option<&'static str>,
    /// What was expected.
    reason: String,
}

impl RowError {
    /// Where the row begins.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The row as a whole cannot be read.
    pub(super) fn of_row(line: u64, reason: impl Display) -> Self {
        Self { line, column: None, reason: reason.to_string() }
    }

    /// One cell of it cannot be used.
    pub(super) fn of_cell(line: u64, column: ImportColumn, reason: impl Display) -> Self {
        Self { line, column: Some(column.name()), reason: reason.to_string() }
    }
}

impl Display for RowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.column {
            Some(column) => write!(f, "line {}, {column}: {}", self.line, self.reason),
            None => write!(f, "line {}: {}", self.line, self.reason),
        }
    }
}

impl Row {
    /// The person it describes, whole or not at all.
    pub(super) fn entry(self) -> Result<RecipientRecord, RowError> {
        let line = self.line;
        let (mut reference, mut locale, mut status) = (None, None, None);
        let mut preferences = Preferences::default();
        let (mut identifiers, mut contacts) = (Vec::<Identifier>::new(), Vec::<Contact>::new());
        if self.cells.len() > VALUES_MAX {
            return Err(RowError::of_row(line, format_args!("more than {VALUES_MAX} values")));
        }
        for (column, text) in self.cells {
            let wrong = |reason: &dyn Display| RowError::of_cell(line, column, reason);
            match column {
                ImportColumn::Recipient => reference = Some(named(text).map_err(|e| wrong(&e))?),
                ImportColumn::Locale => locale = Some(Locale::parse(&text).map_err(|e| wrong(&e))?),
                ImportColumn::RecipientStatus => status = Some(text.parse::<RecipientStatus>().map_err(|e| wrong(&e))?),
                ImportColumn::Channels => add(&mut preferences.channels, text.parse().map_err(|e| wrong(&e))?),
                ImportColumn::TimeZone => {
                    preferences.time_zone = Some(RecipientTimeZone::parse(&text).map_err(|e| wrong(&e))?)
                }
                ImportColumn::Identifier(kind) => {
                    add(&mut identifiers, identifier::parse(kind, &text).map_err(|e| wrong(&e))?);
                }
                ImportColumn::Contact(Channel::Sms) => {
                    let number = phone::normalised(&text).map_err(|e| wrong(&e))?;
                    add(&mut contacts, Contact::parse(Channel::Sms, &number).map_err(|e| wrong(&e))?);
                }
                ImportColumn::Contact(channel) => {
                    add(&mut contacts, Contact::parse(channel, &text).map_err(|e| wrong(&e))?);
                }
            }
        }
        if identifiers.is_empty() {
            return Err(RowError::of_row(line, "no number of the processor: nobody could ever find this person"));
        }
        Ok(RecipientRecord {
            reference: reference.ok_or_else(|| RowError::of_cell(line, ImportColumn::Recipient, "is missing"))?,
            locale: locale.ok_or_else(|| RowError::of_cell(line, ImportColumn::Locale, "is missing"))?,
            status: status.unwrap_or(RecipientStatus::Active),
            preferences,
            identifiers,
            contacts,
        })
    }
}

fn named(text: String) -> Result<String, &'static str> {
    let fits = (1..=REFERENCE_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    if fits { Ok(text) } else { Err("expected 1 to 128 bytes without control characters") }
}

// What stands there twice would be tried twice.
fn add<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if !list.contains(&value) {
        list.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(cells: &[(ImportColumn, &str)]) -> String {
        let basics = [(ImportColumn::Recipient, "c-1"), (ImportColumn::Locale, "pl-PL")];
        let all = basics.iter().chain(cells).map(|(column, text)| (*column, (*text).to_owned())).collect();
        Row { line: 7, cells: all }.entry().unwrap_err().to_string()
    }

    #[test]
    fn a_refusal_says_where_and_why_and_never_what() {
        let said = refused(&[(ImportColumn::Contact(Channel::Sms), "600100200")]);
        assert_eq!(said, "line 7, sms: has no country code; write it as +, country code and number");
        let said = refused(&[(ImportColumn::Contact(Channel::Email), "somebody@")]);
        assert!(said.starts_with("line 7, email:") && !said.contains("somebody"), "{said}");
        assert!(refused(&[]).starts_with("line 7: no number of the processor"));
    }

    #[test]
    fn an_address_that_stands_there_twice_is_kept_once() {
        let cells = [
            (ImportColumn::Recipient, "c-1"),
            (ImportColumn::Locale, "pl"),
            (ImportColumn::Identifier(IdentifierKind::DcCard), "5"),
            (ImportColumn::Contact(Channel::Sms), "+48600100200"),
            (ImportColumn::Contact(Channel::Sms), "+48 600 100 200"),
        ];
        let cells = cells.map(|(column, text)| (column, text.to_owned())).into();
        assert_eq!(Row { line: 1, cells }.entry().unwrap().contacts.len(), 1);
    }
}
