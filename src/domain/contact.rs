//! The contacts of a recipient, checked when they are made and masked when they are shown.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr};

use super::mailbox;

/// How a message reaches a recipient.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Display, EnumString, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
#[strum(parse_err_ty = UnknownChannel, parse_err_fn = unknown_channel)]
pub enum Channel {
    Sms,
    /// A notification to an app, addressed by the token that the app registered.
    Push,
    Email,
}

impl Channel {
    pub const ALL: [Self; 3] = [Self::Sms, Self::Push, Self::Email];

    /// The name in configuration, templates, storage and metrics.
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

const fn unknown_channel(_: &str) -> UnknownChannel {
    UnknownChannel
}

/// The name is not that of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected sms, push or email")]
pub struct UnknownChannel;

/// A phone number, push token or e-mail address.
///
/// `Display` and `Debug` show it masked; [`Contact::expose`] is for the adapters that send.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    channel: Channel,
    text: String,
}

/// Why a text is not a contact of its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidContact {
    /// Not `+`, a digit from 1 to 9 and 6 to 14 more digits (ITU-T E.164).
    #[error("a phone number is written as +, country code and number, 7 to 15 digits")]
    Phone,
    /// Empty, longer than 4096 bytes, or with spaces or control characters.
    #[error("a push token is 1 to 4096 printable ASCII characters without spaces")]
    Push,
    /// Not one plain mailbox that a mail relay accepts; see [`mailbox`].
    #[error("an e-mail address is one plain mailbox such as name@example.org, at most 254 bytes")]
    Email,
}

impl Contact {
    /// Checks `text` as a contact of `channel`.
    ///
    /// # Errors
    /// Describes the contacts of that channel; never repeats the text.
    pub fn parse(channel: Channel, text: &str) -> Result<Self, InvalidContact> {
        let fits = match channel {
            Channel::Sms => is_e164(text),
            Channel::Push => (1..=4096).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()),
            Channel::Email => mailbox::parse(text).is_some(),
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

    /// A contact that was checked when it was stored. It is not checked again: a rule that has become stricter since then
    /// must not hide the other contacts of its recipient.
    pub fn restore(channel: Channel, text: &str) -> Self {
        Self { channel, text: text.to_owned() }
    }

    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// The contact in full. Callers: `channel` (to send), `store::seal` and `flow::users` (to encrypt), `CountryPrefix` (to compare).
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The push contact without its app, if it is one of `app`: `ios/0a1b` is `0a1b` of the app `ios`.
    pub fn without_app(&self, app: &str) -> Option<Self> {
        let token = self.text.strip_prefix(app)?.strip_prefix('/').filter(|token| !token.is_empty())?;
        (self.channel == Channel::Push).then(|| Self { channel: self.channel, text: token.to_owned() })
    }

    /// The form in which it is looked up. Few people write the capital letters of an e-mail address as it was stored.
    pub fn lookup_form(&self) -> Cow<'_, str> {
        match self.channel {
            Channel::Sms | Channel::Push => Cow::Borrowed(&self.text),
            Channel::Email => Cow::Owned(self.text.to_lowercase()),
        }
    }

    /// The calling code of a phone number, such as `+48`; `None` for other contacts and unassigned codes.
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
        write!(f, "Contact({} {})", self.channel, self.masked())
    }
}

fn is_e164(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

fn tail(text: &str, count: usize) -> &str {
    text.char_indices().rev().nth(count.saturating_sub(1)).map_or("", |(at, _)| &text[at..])
}

// The first three characters and the last four digits; the rest is replaced by stars.
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
    fn a_contact_is_shown_masked() {
        let shown = |channel, text| Contact::parse(channel, text).unwrap().to_string();
        assert_eq!(shown(Channel::Sms, "+48600101234"), "+48*****1234");
        assert_eq!(shown(Channel::Sms, "+4812345"), "+*****45");
        assert_eq!(shown(Channel::Email, "leon@gmail.com"), "l***@g***.com");
        assert_eq!(shown(Channel::Push, "fcm-token-a1b2"), "…a1b2");
    }

    #[test]
    fn a_push_contact_names_its_app_before_the_first_slash() {
        let token = |channel, text: &str, app| {
            Contact::restore(channel, text).without_app(app).map(|token| token.expose().to_owned())
        };
        assert_eq!(token(Channel::Push, "ios/0a1b", "ios").as_deref(), Some("0a1b"));
        assert_eq!(
            token(Channel::Push, "web/{\"endpoint\":\"https://a/b\"}", "web").unwrap(),
            "{\"endpoint\":\"https://a/b\"}"
        );
        for (channel, text) in [(Channel::Push, "ios2/0a1b"), (Channel::Push, "ios/"), (Channel::Email, "ios/a@b.cd")] {
            assert_eq!(token(channel, text, "ios"), None, "{text}");
        }
    }

    #[test]
    fn a_contact_that_no_provider_could_reach_is_refused() {
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
        assert!(Contact::parse(Channel::Email, "\"a b\"@c.de").is_ok());
    }
}
