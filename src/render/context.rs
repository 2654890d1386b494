//! Who reads a message, where, and until when it is of use.

use jiff::tz::TimeZone;

use crate::domain::clock::Timestamp;
use crate::domain::recipient::Locale;

/// Who reads a message, and until when it is of use.
#[derive(Debug, Clone, Copy)]
pub struct RenderContext<'a> {
    /// The language they read.
    pub locale: &'a Locale,
    /// Where they live; unknown for where the operator is.
    pub zone: Option<&'a TimeZone>,
    /// When a code in it is of no use any more.
    pub until: Timestamp,
    /// Whether letters outside GSM 03.38 are written with the nearest ones inside, when it is an SMS and its provider
    /// says so; unknown for what the settings say of the locale.
    pub transliterate: Option<bool>,
}
