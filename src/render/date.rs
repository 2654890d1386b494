//! Moments as people of a locale write them.
//!
//! Never without the zone: a cardholder compares the hour with what they remember. Languages that are not listed
//! get the order of ISO 8601, which is read correctly everywhere.

use jiff::tz::TimeZone;

use crate::domain::clock::Timestamp;

/// Day and minute of `at` in `zone`, for readers of `language`.
pub(super) fn write(at: Timestamp, zone: &TimeZone, language: &str) -> String {
    let form = match language {
        "en" => "%-d %B %Y, %H:%M %Z",
        "pl" | "de" | "cs" | "sk" | "uk" | "ro" => "%d.%m.%Y %H:%M %Z",
        _ => "%Y-%m-%d %H:%M %Z",
    };
    at.to_jiff().to_zoned(zone.clone()).strftime(form).to_string()
}
