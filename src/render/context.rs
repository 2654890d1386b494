//! What a message depends on besides its content and its channel.

use jiff::tz::TimeZone;

use crate::domain::clock::Timestamp;
use crate::domain::recipient::Locale;

/// The recipient's locale and time zone, and the limits of the message.
#[derive(Debug, Clone, Copy)]
pub struct RenderContext<'a> {
    pub locale: &'a Locale,
    /// The recipient's time zone. When it is unknown, times are in the zone of the settings and name it.
    pub zone: Option<&'a TimeZone>,
    /// When a code in the message expires.
    pub until: Timestamp,
    /// Whether the SMS provider has letters outside GSM 03.38 replaced by the nearest ones in it. `None` leaves the
    /// decision to `templates.sms.transliterate`.
    pub transliterate: Option<bool>,
}
