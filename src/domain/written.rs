//! Identifiers, phone numbers and times as people write them, brought to the form in which they are stored and compared.

pub mod identifier;
pub mod phone;
pub mod spreadsheet;
pub mod time;
