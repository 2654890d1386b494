//! The words of a message before anybody's values are in them: what they are for, what they are, and the name they are
//! kept by.
//!
//! Never what a person was told: no value, no code, no address.

use std::collections::BTreeMap;
use std::fmt;

use super::clock::Timestamp;
use super::contact::Channel;
use super::notification::Kind;
use super::recipient::Locale;

/// Hexadecimal digits that are enough to tell wordings apart in a list.
const SHORT: usize = 12;

/// Names words by what they are: SHA-256 (FIPS 180-4) over all that decides how a message reads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateVersion(pub [u8; 32]);

impl TemplateVersion {
    /// The first twelve hexadecimal digits.
    pub fn short(&self) -> String {
        self.to_string().chars().take(SHORT).collect()
    }
}

impl fmt::Display for TemplateVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TemplateVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wording({})", self.short())
    }
}

/// What words are for: one sort of news, over one channel, in one language.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateKey {
    /// The language they are in, as its folder is called.
    pub locale: Locale,
    /// What they tell.
    pub kind: Kind,
    /// How they travel.
    pub channel: Channel,
}

impl fmt::Display for TemplateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.locale, self.kind, self.channel)
    }
}

/// All that decides how a message reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateSnapshot {
    /// Their name.
    pub template_version: TemplateVersion,
    /// What they are for.
    pub topic: TemplateKey,
    /// The source of each part by its file's name, such as `sms.hbs`, and each setting that changes words by its key,
    /// such as `brand`.
    pub parts: BTreeMap<String, String>,
}

impl TemplateSnapshot {
    /// Whether a part is a text, and not a setting.
    pub fn is_text(part: &str) -> bool {
        part.rsplit_once('.').is_some_and(|(_, end)| end == "hbs")
    }
}

/// When which words went live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateActivation {
    /// Its place among all changes; 0 while it is not written yet.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// What the words are for.
    pub topic: TemplateKey,
    /// The words; `None` when there were none from then on.
    pub template_version: Option<TemplateVersion>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_version_is_shown_in_hexadecimal_and_a_text_is_told_from_a_setting() {
        let template_version = TemplateVersion([0xa5; 32]);

        assert_eq!(
            (template_version.to_string(), template_version.short().as_str()),
            ("a5".repeat(32), "a5a5a5a5a5a5")
        );
        assert!(
            TemplateSnapshot::is_text("sms.hbs")
                && !TemplateSnapshot::is_text("brand")
                && !TemplateSnapshot::is_text("mail.color")
        );
    }
}
