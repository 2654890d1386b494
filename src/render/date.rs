//! Moments as people of a locale write them.
//!
//! Never without the zone: a cardholder compares the hour with what they remember. Languages that are not listed
//! get the order of ISO 8601, which is read correctly everywhere.

use jiff::tz::TimeZone;

use crate::domain::clock::Timestamp;

/// The minute of `at`, for whoever looks at a clock in `zone`; with its name where that is not known to be theirs.
/// Seconds are cut off: what is said to be valid until then is valid a little longer.
pub(super) fn hour(at: Timestamp, zone: &TimeZone, is_theirs: bool) -> String {
    at.to_jiff().to_zoned(zone.clone()).strftime(if is_theirs { "%H:%M" } else { "%H:%M %Z" }).to_string()
}

/// Day and minute of `at` in `zone`, for readers of `language`.
pub(super) fn write(at: Timestamp, zone: &TimeZone, language: &str) -> String {
    let form = match language {
        "en" => "%-d %B %Y, %H:%M %Z",
        "fr" | "es" | "it" => "%d/%m/%Y %H:%M %Z",
        "pl" | "de" | "cs" | "sk" | "uk" | "ro" => "%d.%m.%Y %H:%M %Z",
        _ => "%Y-%m-%d %H:%M %Z",
    };
    at.to_jiff().to_zoned(zone.clone()).strftime(form).to_string()
}
