//! What the operator has decided about texts: which languages, in whose name, how dear an SMS may be, how a mail looks.

use std::path::PathBuf;

use serde::Deserialize;

use crate::domain::recipient::Locale;

/// Which texts, for whom.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Folder with `<locale>/<kind>/<part>.hbs`.
    pub dir: PathBuf,
    /// The locale used where a person's own has no text.
    pub default_locale: Locale,
    /// The locales that people are written to in; empty for every one there is a folder for. Each of them has to be
    /// complete, with its parents.
    pub locales: Vec<Locale>,
    /// The name that mails and texts are signed with.
    pub brand: String,
    /// The zone in which hours are told, such as `Europe/Warsaw`.
    pub time_zone: String,
    /// Whether a person is told that fraud is suspected; otherwise that lock looks like one without a reason.
    pub reveal_fraud_reason: bool,
    /// The domains that texts may link to, such as `bank.example`; those below them too.
    pub link_domains: Vec<String>,
    /// What a text message may cost.
    pub sms: SmsSettings,
    /// How a mail looks.
    pub mail: MailSettings,
    /// What lets a phone take a code out of a text message by itself.
    pub autofill: AutofillSettings,
}

impl Default for Settings {
    #[expect(clippy::expect_used, reason = "a constant")]
    fn default() -> Self {
        Self {
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

/// What a text message may cost.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmsSettings {
    /// The most segments of a message. A text that may need more is refused; a merchant's name that makes one longer
    /// is shortened.
    pub max_segments: u8,
    /// The locales whose letters outside GSM 03.38 are written with the nearest ones inside: `ł` as `l`.
    pub transliterate: Vec<Locale>,
}

impl SmsSettings {
    /// Whether the letters of `locale` are replaced, unless a provider says otherwise.
    pub(super) fn transliterates(&self, locale: &Locale) -> bool {
        self.transliterate.iter().any(|listed| listed.as_str().eq_ignore_ascii_case(locale.as_str()))
    }
}

impl Default for SmsSettings {
    fn default() -> Self {
        Self { max_segments: 3, transliterate: Vec::new() }
    }
}

/// How a mail looks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailSettings {
    /// Where the logo is fetched, over HTTPS; empty for the name in letters. It is shown 40 pixels high.
    pub logo: String,
    /// The colour of the band with the logo, as `#rrggbb`. The letters on it are black or white, whichever can be read.
    pub color: String,
    /// The colour behind the message, as `#rrggbb`.
    pub background: String,
    /// Lines below each mail, such as the name and the seat of the company.
    pub footer: String,
}

impl Default for MailSettings {
    fn default() -> Self {
        Self { logo: String::new(), color: "#1a1a1a".into(), background: "#f4f4f4".into(), footer: String::new() }
    }
}

/// What lets a phone take a code out of a text message by itself; both are off unless set, because the page that asks
/// for a 3-D Secure code belongs to neither the app nor the domain of the bank.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AutofillSettings {
    /// The eleven signs by which Android's SMS Retriever knows the app.
    pub app_hash: String,
    /// The domain of the page that takes the code.
    pub domain: String,
}
