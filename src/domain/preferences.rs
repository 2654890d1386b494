//! What a person wants of those who write to them: which channels, and where they sleep. It decides nothing.

use jiff::tz::TimeZone;

use super::contact::Channel;

/// What a person agreed to. Nothing said is nothing refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preferences {
    /// The channels they agreed to, the preferred one first; empty for all, in the order of the plan.
    pub channels: Vec<Channel>,
    /// Where they live; unknown for where the operator is.
    pub time_zone: Option<RecipientTimeZone>,
}

impl Preferences {
    /// Whether they may be told over `channel`.
    pub fn allow(&self, channel: Channel) -> bool {
        self.channels.is_empty() || self.channels.contains(&channel)
    }
}

/// A time zone by its IANA name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientTimeZone(TimeZone);

/// A text that names no time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of a time zone such as Europe/Warsaw")]
pub struct UnknownTimeZone;

impl RecipientTimeZone {
    /// The zone of that name.
    ///
    /// # Errors
    /// The zone is not in the database of time zones.
    pub fn parse(name: &str) -> Result<Self, UnknownTimeZone> {
        TimeZone::get(name).ok().filter(|zone| zone.iana_name().is_some()).map(Self).ok_or(UnknownTimeZone)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or_default()
    }

    /// Its rules.
    pub fn rules(&self) -> &TimeZone {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_known_by_its_name_however_it_is_written() {
        assert_eq!(RecipientTimeZone::parse("europe/warsaw").unwrap().name(), "Europe/Warsaw");
        assert_eq!(RecipientTimeZone::parse("Mars/Olympus"), Err(UnknownTimeZone));
        assert_eq!(RecipientTimeZone::parse(""), Err(UnknownTimeZone));
    }
}
