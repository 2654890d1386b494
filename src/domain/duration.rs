//! Durations that may be longer than a day, as the configuration and the command line write them: `7d`, `36h`.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Reads a duration. A calendar day may have 23 hours; here it has 24.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse(text: &str) -> Result<Duration, String> {
    let span = text.parse::<jiff::Span>().map_err(|error| error.to_string())?;
    let duration = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|error| error.to_string())?;
    Duration::try_from(duration).map_err(|_| "must be a positive duration such as 7d".to_owned())
}

/// Reads a duration of the configuration.
pub fn with_days<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(from)?).map_err(D::Error::custom)
}
