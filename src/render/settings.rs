//! The settings of `[templates]`: locales, brand, SMS budget and mail layout.

use std::path::PathBuf;

use serde::Deserialize;

use super::locale_tag::{chain, tag};
use crate::domain::recipient::Locale;

/// Where the live texts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateSource {
    /// From the folder, which is watched.
    #[default]
    Files,
    /// From the database, where they are changed by drafts, review and publication.
    Console,
}

/// The settings of `[templates]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the live texts come from.
    pub source: TemplateSource,
    /// Whether one operator may publish a change without an approval, with a reason and under an alarm.
    pub emergency_publish: bool,
    /// The folder with `<locale>/<kind>/<part>.hbs`.
    pub dir: PathBuf,
    /// Used for recipients whose locale has no template.
    pub default_locale: Locale,
    /// The locales that messages are rendered in, each of which must be complete, on its own or with its parents. Empty
    /// for every locale with a folder.
    pub locales: Vec<Locale>,
    /// The name that messages are signed with.
    pub brand: String,
    /// The time zone of dates and times in messages, such as `Europe/Warsaw`.
    pub time_zone: String,
    /// Whether templates see that fraud is suspected. Otherwise they see a lock without a reason.
    pub reveal_fraud_reason: bool,
    /// The domains that templates may link to, such as `bank.example`, with their subdomains.
    pub link_domains: Vec<String>,
    pub sms: SmsSettings,
    pub mail: MailSettings,
    pub autofill: AutofillSettings,
}

impl Default for Settings {
    #[expect(clippy::expect_used, reason = "a constant")]
    fn default() -> Self {
        Self {
            source: TemplateSource::Files,
            emergency_publish: false,
            dir: PathBuf::from("templates"),
            default_locale: Locale::parse("en").expect("a language tag"),
            locales: Vec::new(),
            brand: "Your bank".into(),
            time_zone: "UTC".into(),
            reveal_fraud_reason: false,
            link_domains: Vec::new(),
            sms: SmsSettings::default(),
            mail: MailSettings::default(),
            autofill: AutofillSettings::default(),
        }
    }
}

/// What an SMS may cost.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmsSettings {
    /// The most segments of a message. A template that may need more is rejected; a merchant name that makes a message
    /// longer is shortened.
    pub max_segments: u8,
    /// The locales whose letters outside GSM 03.38 are replaced by the nearest ones in it: `ł` by `l`. A language covers
    /// its regions: `pl` also means `pl-PL`.
    pub transliterate: Vec<Locale>,
}

impl SmsSettings {
    /// Whether letters are replaced in messages of `locale`, unless the provider decides otherwise.
    pub(super) fn transliterates(&self, locale: &Locale) -> bool {
        let wanted = tag(locale);
        chain(&wanted).any(|wanted| self.transliterate.iter().any(|listed| tag(listed) == wanted))
    }
}

/// The languages whose readers are used to SMS without accents, and whose accents would double the segments of a message.
const TRANSLITERATED: [&str; 3] = ["cs", "pl", "ro"];

impl Default for SmsSettings {
    #[expect(clippy::expect_used, reason = "constants")]
    fn default() -> Self {
        let transliterate = TRANSLITERATED.map(|tag| Locale::parse(tag).expect("a language tag")).into();
        Self { max_segments: 3, transliterate }
    }
}

/// The layout of mails.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailSettings {
    /// The HTTPS URL of the logo, which is shown 40 pixels high. Empty shows the brand as text.
    pub logo: String,
    /// The colour of the header, as `#rrggbb`. Its text is black or white, whichever has the better contrast.
    pub color: String,
    /// The colour behind the message, as `#rrggbb`.
    pub background: String,
    /// The lines below the message, such as the name and registered office of the company.
    pub footer: String,
}

impl Default for MailSettings {
    fn default() -> Self {
        Self { logo: String::new(), color: "#1a1a1a".into(), background: "#f4f4f4".into(), footer: String::new() }
    }
}

/// The lines by which a phone fills in the code of an SMS. Both are off by default, because the page that asks for a 3-D
/// Secure code belongs neither to the app nor to the domain of the bank.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AutofillSettings {
    /// The 11 characters that identify the app to Android's SMS Retriever.
    pub app_hash: String,
    /// The domain of the page that asks for the code.
    pub domain: String,
}
