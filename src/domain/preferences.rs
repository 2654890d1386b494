//! A recipient's preferences: channels and time zone. They decide nothing.

use jiff::tz::TimeZone;

use super::contact::Channel;

/// What a recipient agreed to. The default allows all channels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preferences {
    /// The channels that the recipient agreed to, the preferred one first; empty for all, in the order of the plan.
    pub channels: Vec<Channel>,
    /// The recipient's time zone; `None` for the operator's.
    pub time_zone: Option<RecipientTimeZone>,
}

impl Preferences {
    /// Whether the recipient may be notified on `channel`.
    pub fn allow(&self, channel: Channel) -> bool {
        self.channels.is_empty() || self.channels.contains(&channel)
    }
}

/// A time zone by its IANA name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientTimeZone(TimeZone);

/// A text that is not the name of a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of a time zone such as Europe/Warsaw")]
pub struct UnknownTimeZone;

impl RecipientTimeZone {
    /// Looks up a time zone by its name.
    ///
    /// # Errors
    /// The time zone database does not list it.
    pub fn parse(name: &str) -> Result<Self, UnknownTimeZone> {
        TimeZone::get(name).ok().filter(|zone| zone.iana_name().is_some()).map(Self).ok_or(UnknownTimeZone)
    }

    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or_default()
    }

    pub fn rules(&self) -> &TimeZone {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_zone_is_found_by_its_name_in_any_case() {
        assert_eq!(RecipientTimeZone::parse("europe/warsaw").unwrap().name(), "Europe/Warsaw");
        assert_eq!(RecipientTimeZone::parse("Mars/Olympus"), Err(UnknownTimeZone));
        assert_eq!(RecipientTimeZone::parse(""), Err(UnknownTimeZone));
    }
}
