//! The format of values in a locale: amounts, dates, and safe merchant names.

pub(crate) mod date;
pub(crate) mod merchant_name;
pub(crate) mod money;

/// Why the format of a locale could not be loaded.
pub(crate) type FormatError = Box<dyn std::error::Error + Send + Sync>;
