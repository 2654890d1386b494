//! Template versions: the sources of a message before any value is inserted, named by their hash.
//!
//! They never hold what a recipient received: no value, no code, no contact.

use std::collections::BTreeMap;
use std::fmt;

use super::clock::Timestamp;
use super::contact::Channel;
use super::notification::Kind;
use super::recipient::Locale;

/// Hexadecimal digits that suffice to distinguish versions in a list.
const SHORT: usize = 12;

/// A content hash: SHA-256 (FIPS 180-4) over everything that decides how a message reads.
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
        write!(f, "TemplateVersion({})", self.short())
    }
}

/// What a template is for: one notification kind on one channel in one locale.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateKey {
    pub locale: Locale,
    pub kind: Kind,
    pub channel: Channel,
}

impl fmt::Display for TemplateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.locale, self.kind, self.channel)
    }
}

/// Everything that decides how a message reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateSnapshot {
    pub template_version: TemplateVersion,
    pub key: TemplateKey,
    /// The source of each part by its file name, such as `sms.hbs`, and each setting that changes the text by its key, such
    /// as `brand`.
    pub parts: BTreeMap<String, String>,
}

impl TemplateSnapshot {
    /// Whether a part is a template, not a setting.
    pub fn is_text(part: &str) -> bool {
        part.rsplit_once('.').is_some_and(|(_, end)| end == "hbs")
    }
}

/// The activation of a template version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateActivation {
    /// The sequence number of the activation; 0 until it is stored.
    pub seq: i64,
    pub at: Timestamp,
    pub key: TemplateKey,
    /// The version that went live; `None` when the template was removed.
    pub template_version: Option<TemplateVersion>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_version_is_shown_in_hexadecimal_and_a_template_is_distinguished_from_a_setting() {
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
