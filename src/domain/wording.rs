//! The words of a message before anybody's values are in them: what they are for, what they are, and the name they are
//! kept by.
//!
//! Never what a person was told: no value, no code, no address.

use std::collections::BTreeMap;
use std::fmt;

use super::address::Channel;
use super::clock::Timestamp;
use super::notification::Kind;
use super::person::Locale;

/// Hexadecimal digits that are enough to tell wordings apart in a list.
const SHORT: usize = 12;

/// Names words by what they are: SHA-256 (FIPS 180-4) over all that decides how a message reads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wording(pub [u8; 32]);

impl Wording {
    /// The first twelve hexadecimal digits.
    pub fn short(&self) -> String {
        self.to_string().chars().take(SHORT).collect()
    }
}

impl fmt::Display for Wording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Wording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wording({})", self.short())
    }
}

/// What words are for: one sort of news, over one channel, in one language.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic {
    /// The language they are in, as its folder is called.
    pub locale: Locale,
    /// What they tell.
    pub kind: Kind,
    /// How they travel.
    pub channel: Channel,
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.locale, self.kind, self.channel)
    }
}

/// All that decides how a message reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// Their name.
    pub wording: Wording,
    /// What they are for.
    pub topic: Topic,
    /// The source of each part by its file's name, such as `sms.hbs`, and each setting that changes words by its key,
    /// such as `brand`.
    pub parts: BTreeMap<String, String>,
}

impl Words {
    /// Whether a part is a text, and not a setting.
    pub fn is_text(part: &str) -> bool {
        part.rsplit_once('.').is_some_and(|(_, end)| end == "hbs")
    }
}

/// When which words went live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordsChange {
    /// Its place among all changes; 0 while it is not written yet.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// What the words are for.
    pub topic: Topic,
    /// The words; `None` when there were none from then on.
    pub wording: Option<Wording>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wording_is_shown_in_hexadecimal_and_a_text_is_told_from_a_setting() {
        let wording = Wording([0xa5; 32]);

        assert_eq!((wording.to_string(), wording.short().as_str()), ("a5".repeat(32), "a5a5a5a5a5a5"));
        assert!(Words::is_text("sms.hbs") && !Words::is_text("brand") && !Words::is_text("mail.color"));
    }
}
