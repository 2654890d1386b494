//! Where a person can be reached, and how such a place is shown to people who need not know it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A way of reaching a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A text message to a phone number.
    Sms,
    /// A notification to an app, addressed by the token the app registered.
    Push,
    /// A mail.
    Email,
}

impl Channel {
    /// Every channel there is.
    pub const ALL: [Self; 3] = [Self::Sms, Self::Push, Self::Email];

    /// The name used in configuration, templates, storage and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Push => "push",
            Self::Email => "email",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Channel {
    type Err = UnknownChannel;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|c| c.name() == text).ok_or(UnknownChannel)
    }
}

/// A name that is no channel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected sms, push or email")]
pub struct UnknownChannel;

/// One address on one channel, checked when it is made.
///
/// `Display` and `Debug` show it masked; [`Contact::expose`] is for the adapters that send.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    channel: Channel,
    text: String,
}

/// Why a text is not an address of its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidContact {
    /// Not `+`, a digit from 1 to 9 and 6 to 14 more digits (ITU-T E.164).
    #[error("a phone number is written as +, country code and number, 7 to 15 digits")]
    Phone,
    /// Empty, longer than 4096 bytes, or with blanks or control characters.
    #[error("a push token is 1 to 4096 printable ASCII characters without blanks")]
    Push,
    /// Not one plain mailbox of at most 254 bytes (RFC 5321, 4.5.3.1.3).
    #[error("an e-mail address is one plain mailbox such as name@example.org, at most 254 bytes")]
    Email,
}

impl Contact {
    /// Checks `text` as an address of `channel`.
    ///
    /// # Errors
    /// Says what an address of that channel looks like; never repeats the text.
    pub fn parse(channel: Channel, text: &str) -> Result<Self, InvalidContact> {
        let fits = match channel {
            Channel::Sms => is_e164(text),
            Channel::Push => (1..=4096).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()),
            Channel::Email => is_mailbox(text),
        };
        if fits {
            return Ok(Self { channel, text: text.to_owned() });
        }
        Err(match channel {
            Channel::Sms => InvalidContact::Phone,
            Channel::Push => InvalidContact::Push,
            Channel::Email => InvalidContact::Email,
        })
    }

    /// The channel it belongs to.
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// The address in full. Callers: `channel` (to send) and `store::seal` (to encrypt).
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The calling code of a phone number, such as `+48`; none of another address, or when no country has it.
    pub fn calling_code(&self) -> Option<&str> {
        if self.channel == Channel::Sms { super::country_prefix::calling_code(&self.text) } else { None }
    }

    /// Enough to recognise, too little to use: `+48*****1234`, `l***@g***.com`, `…a1b2`.
    pub fn masked(&self) -> String {
        match self.channel {
            Channel::Sms => mask_phone(&self.text),
            Channel::Push => format!("…{}", tail(&self.text, 4)),
            Channel::Email => mask_mailbox(&self.text),
        }
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({} {})", self.channel, self.masked())
    }
}

fn is_e164(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

fn is_mailbox(text: &str) -> bool {
    // The specials of RFC 5322, 3.2.3 but the dot: what could end the address, or name a host by its number.
    let special = |c: char| matches!(c, '(' | ')' | '<' | '>' | '[' | ']' | ':' | ';' | '@' | '\\' | ',' | '"');
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !special(c);
    let Some((local, domain)) = text.split_once('@') else { return false };
    text.len() <= 254
        && (1..=64).contains(&local.len())
        && (local.chars().all(plain) || is_quoted(local, plain))
        && domain.chars().all(plain)
        && domain.contains('.')
        && domain.split('.').all(|label| (1..=63).contains(&label.len()))
}

// Quotes allow blanks inside; of the rest that they allow (RFC 5321, 4.1.2) nothing is taken that could end the address.
fn is_quoted(local: &str, plain: impl Fn(char) -> bool) -> bool {
    let inside = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.is_some_and(|inside| !inside.is_empty() && inside.chars().all(|c| c == ' ' || plain(c)))
}

fn tail(text: &str, count: usize) -> &str {
    text.char_indices().rev().nth(count.saturating_sub(1)).map_or("", |(at, _)| &text[at..])
}

// Country code as far as three characters, and the last four digits; what lies between is starred.
fn mask_phone(text: &str) -> String {
    if text.len() < 9 {
        return format!("+*****{}", tail(text, 2));
    }
    format!("{}*****{}", &text[..3], tail(text, 4))
}

fn mask_mailbox(text: &str) -> String {
    let (local, domain) = text.split_once('@').unwrap_or((text, ""));
    let (host, ending) = domain.rsplit_once('.').unwrap_or((domain, ""));
    let first = |part: &str| part.chars().next().map(String::from).unwrap_or_default();
    format!("{}***@{}***.{}", first(local), first(host), ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_itself_masked() {
        let shown = |channel, text| Contact::parse(channel, text).unwrap().to_string();
        assert_eq!(shown(Channel::Sms, "+48600101234"), "+48*****1234");
        assert_eq!(shown(Channel::Sms, "+4812345"), "+*****45");
        assert_eq!(shown(Channel::Email, "leon@gmail.com"), "l***@g***.com");
        assert_eq!(shown(Channel::Push, "fcm-token-a1b2"), "…a1b2");
    }

    #[test]
    fn what_no_provider_could_reach_is_refused() {
        for bad in ["600100200", "+0600100200", "+48 600 100 200", "+48123", "+1234567890123456", ""] {
            assert_eq!(Contact::parse(Channel::Sms, bad), Err(InvalidContact::Phone), "{bad:?}");
        }
        for bad in [
            "a@b",
            "a b@c.de",
            "a@b.c,d@e.fg",
            "Leon <a@b.cd>",
            "a@b.c\r\nBcc: x",
            "@b.cd",
            "a@[192.0.2.1]",
            "a@b\\.cd",
            "a:b@c.de",
        ] {
            assert_eq!(Contact::parse(Channel::Email, bad), Err(InvalidContact::Email), "{bad:?}");
        }
        for bad in ["\"\"@c.de", "\"a@c.de", "\"a>b\"@c.de", "\"a\\\"b\"@c.de", "\"a@b\"@c.de", "\"a\nb\"@c.de"] {
            assert_eq!(Contact::parse(Channel::Email, bad), Err(InvalidContact::Email), "{bad:?}");
        }
        assert!(Contact::parse(Channel::Email, "\"a b\"@c.de").is_ok());
    }
}
