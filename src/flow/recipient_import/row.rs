//! One row of an import file: named cells, whatever the format, and the recipient that they describe.
//!
//! An error names the place and the reason, and never repeats the value: it may be personal data.

use std::fmt::Display;

use rlibphonenumber::Region;
use serde::{Deserialize, Serialize};
use strum::IntoEnumIterator;
use utoipa::ToSchema;

use crate::domain::contact::{Channel, Contact};
use crate::domain::preferences::{Preferences, RecipientTimeZone};
use crate::domain::recipient::{Identifier, IdentifierKind, RecipientRecord, RecipientStatus};
use crate::domain::written::{identifier, phone, spreadsheet};
use crate::render::canonical_locale;

/// The longest reference of a recipient, in bytes.
const REFERENCE_MAX: usize = 128;

/// Values in one row. A row with more holds a whole company instead of one recipient.
const VALUES_MAX: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ImportColumn {
    /// The operator's own stable reference for the recipient.
    Recipient,
    Locale,
    Status,
    /// The channels that the recipient agreed to.
    Channels,
    TimeZone,
    Identifier(IdentifierKind),
    Contact(Channel),
}

impl ImportColumn {
    /// Every column, in the order in which the help lists them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let identifiers = IdentifierKind::iter().map(Self::Identifier);
        let first = [Self::Recipient, Self::Locale, Self::Status, Self::Channels, Self::TimeZone];
        first.into_iter().chain(identifiers).chain(Channel::ALL.map(Self::Contact))
    }

    /// Its name in the header of a CSV file.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::Locale => "locale",
            Self::Status => "status",
            Self::Channels => "channels",
            Self::TimeZone => "time_zone",
            Self::Identifier(kind) => kind.name(),
            Self::Contact(channel) => channel.name(),
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|column| column.name().eq_ignore_ascii_case(name))
    }
}

/// The cells of one row; a column may come several times, in order of preference.
#[derive(Debug)]
pub struct Row {
    /// The line where it begins; the first line of the file is 1.
    pub(super) line: u64,
    pub(super) cells: Vec<(ImportColumn, String)>,
}

/// Why a row was rejected.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RowError {
    line: u64,
    /// None if the row as a whole is wrong.
    column: Option<String>,
    reason: String,
}

impl RowError {
    /// The line; the first line of the file is 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The column, if one cell is wrong.
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }

    /// What is wrong.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    pub(super) fn of_row(line: u64, reason: impl Display) -> Self {
        Self { line, column: None, reason: reason.to_string() }
    }

    pub(super) fn of_cell(line: u64, column: ImportColumn, reason: impl Display) -> Self {
        Self { line, column: Some(column.name().to_owned()), reason: reason.to_string() }
    }
}

impl Display for RowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.column {
            Some(column) => write!(f, "line {}, {column}: {}", self.line, self.reason),
            None => write!(f, "line {}: {}", self.line, self.reason),
        }
    }
}

impl Row {
    /// The recipient that the row describes. One wrong cell rejects the row. `country` is that of phone numbers without a
    /// country code.
    pub(super) fn record(self, country: Option<Region>) -> Result<RecipientRecord, RowError> {
        let line = self.line;
        let (mut reference, mut locale, mut status) = (None, None, None);
        let mut preferences = Preferences::default();
        let (mut identifiers, mut contacts) = (Vec::<Identifier>::new(), Vec::<Contact>::new());
        if self.cells.len() > VALUES_MAX {
            return Err(RowError::of_row(line, format_args!("more than {VALUES_MAX} values")));
        }
        for (column, text) in self.cells {
            let text = spreadsheet::without_hidden_marks(&text).trim().to_owned();
            let wrong = |reason: &dyn Display| RowError::of_cell(line, column, reason);
            match column {
                ImportColumn::Recipient => reference = Some(reference_from(text).map_err(|e| wrong(&e))?),
                ImportColumn::Locale => locale = Some(canonical_locale(&text).map_err(|e| wrong(&e))?),
                ImportColumn::Status => status = Some(text.parse::<RecipientStatus>().map_err(|e| wrong(&e))?),
                ImportColumn::Channels => add(&mut preferences.channels, text.parse().map_err(|e| wrong(&e))?),
                ImportColumn::TimeZone => {
                    preferences.time_zone = Some(RecipientTimeZone::parse(&text).map_err(|e| wrong(&e))?);
                }
                ImportColumn::Identifier(kind) => {
                    add(&mut identifiers, identifier::parse(kind, &text).map_err(|e| wrong(&e))?);
                }
                ImportColumn::Contact(Channel::Sms) => {
                    let number = phone::normalised(&text, country).map_err(|e| wrong(&e))?;
                    add(&mut contacts, Contact::parse(Channel::Sms, &number).map_err(|e| wrong(&e))?);
                }
                ImportColumn::Contact(channel) => {
                    add(&mut contacts, Contact::parse(channel, &text).map_err(|e| wrong(&e))?);
                }
            }
        }
        if identifiers.is_empty() {
            return Err(RowError::of_row(line, "no identifier; without one the recipient cannot be found"));
        }
        Ok(RecipientRecord {
            reference: reference.ok_or_else(|| RowError::of_cell(line, ImportColumn::Recipient, "missing"))?,
            locale: locale.ok_or_else(|| RowError::of_cell(line, ImportColumn::Locale, "missing"))?,
            status: status.unwrap_or(RecipientStatus::Active),
            preferences,
            identifiers,
            contacts,
        })
    }
}

fn reference_from(text: String) -> Result<String, &'static str> {
    let fits = (1..=REFERENCE_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    if fits { Ok(text) } else { Err("expected 1 to 128 bytes without control characters") }
}

// A duplicate would be tried twice.
fn add<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if !list.contains(&value) {
        list.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(cells: &[(ImportColumn, &str)]) -> String {
        let basics = [(ImportColumn::Recipient, "c-1"), (ImportColumn::Locale, "pl-PL")];
        let all = basics.iter().chain(cells).map(|(column, text)| (*column, (*text).to_owned())).collect();
        Row { line: 7, cells: all }.record(None).unwrap_err().to_string()
    }

    #[test]
    fn an_error_names_the_place_and_the_reason_and_never_the_value() {
        let error = rejection(&[(ImportColumn::Contact(Channel::Sms), "48600100200")]);
        assert_eq!(error, "line 7, sms: has no + before the country code; write it as +, country code and number");
        let error = rejection(&[(ImportColumn::Contact(Channel::Email), "somebody@")]);
        assert!(error.starts_with("line 7, email:") && !error.contains("somebody"), "{error}");
        assert!(rejection(&[]).starts_with("line 7: no identifier"));
    }

    #[test]
    fn a_duplicate_contact_is_stored_once() {
        let cells = [
            (ImportColumn::Recipient, "c-1"),
            (ImportColumn::Locale, "pl"),
            (ImportColumn::Identifier(IdentifierKind::DcCard), "5"),
            (ImportColumn::Contact(Channel::Sms), "+48600100200"),
            (ImportColumn::Contact(Channel::Sms), "+48 600 100 200"),
        ];
        let cells = cells.map(|(column, text)| (column, text.to_owned())).into();
        assert_eq!(Row { line: 1, cells }.record(None).unwrap().contacts.len(), 1);
    }

    #[test]
    fn hidden_marks_of_a_copied_cell_are_not_stored() {
        let cells = [
            (ImportColumn::Recipient, "\u{feff}c-1"),
            (ImportColumn::Locale, "pol\u{200e}"),
            (ImportColumn::Identifier(IdentifierKind::User), "\u{2066}u-1\u{2069}"),
            (ImportColumn::Contact(Channel::Email), "\u{202a}a@example.org\u{202c}\u{202f}"),
        ];
        let cells = cells.map(|(column, text)| (column, text.to_owned())).into();
        let record = Row { line: 1, cells }.record(None).unwrap();
        assert_eq!((record.reference.as_str(), record.locale.as_str()), ("c-1", "pl"));
        assert_eq!((record.identifiers[0].value.as_str(), record.contacts[0].expose()), ("u-1", "a@example.org"));
    }
}
