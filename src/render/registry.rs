//! All compiled templates, by locale.
//!
//! Opens no file and rejects nothing: it returns diagnostics. All parts of a message are in one language: where a locale
//! lacks one of them, the whole message comes from the next locale.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use icu_locale::extensions::unicode::{key, value};
use icu_locale::{LanguageIdentifier, LocaleDirectionality};
use jiff::tz::TimeZone;

use super::format::date::DateFormat;
use super::format::money::MoneyFormat;
use super::locale_tag::{chain, has_known_language, tag};
use super::settings::Settings;
use super::template::ast::Template;
use super::template::file::TemplateFile;
use super::template::locale_file::LocaleSettingsIndex;
use super::template::part::TemplatePart;
use super::validate::diagnostic::Diagnostic;
use super::validate::lint::{self, FraudWords};
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::money::Money;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;

/// Shown for a merchant without a name only where no locale file says what to write, which validation reports.
const UNNAMED: &str = "-";

/// The templates of one locale, and how it formats amounts and dates.
pub(crate) struct LocaleTemplates {
    locale: Locale,
    /// The language, with script and region, for rules of casing.
    pub(crate) language: LanguageIdentifier,
    pub(crate) right_to_left: bool,
    templates: HashMap<(Kind, TemplatePart), Template>,
    money_format: MoneyFormat,
    date_format: DateFormat,
    unnamed_merchant: String,
}

/// The templates of every locale with a folder.
pub(crate) struct TemplateRegistry {
    // By the tag in lower case.
    locales: HashMap<String, LocaleTemplates>,
    default: String,
}

impl LocaleTemplates {
    fn load(locale: &Locale, locale_settings: &LocaleSettingsIndex) -> Result<Self, String> {
        let mut tag: icu_locale::Locale = locale.as_str().parse().map_err(|error| format!("{error}"))?;
        if !has_known_language(&tag) {
            return Err("unknown language".to_owned());
        }
        let right_to_left = LocaleDirectionality::new_common().is_right_to_left(&tag.id);
        // A message has one kind of digits, those of the code, because the code is typed as it is shown.
        tag.extensions.unicode.keywords.set(key!("nu"), value!("latn"));
        Ok(Self {
            locale: locale.clone(),
            language: tag.id.clone(),
            right_to_left,
            templates: HashMap::new(),
            money_format: MoneyFormat::load(&tag).map_err(|error| error.to_string())?,
            date_format: DateFormat::load(&tag).map_err(|error| error.to_string())?,
            unnamed_merchant: locale_settings.merchant(locale).unwrap_or(UNNAMED).to_owned(),
        })
    }

    /// The locale, as its folder is named.
    pub(crate) fn locale(&self) -> &Locale {
        &self.locale
    }

    /// What stands for a merchant without a usable name.
    pub(crate) fn unnamed_merchant(&self) -> &str {
        &self.unnamed_merchant
    }

    /// The amount, as messages on `channel` show it.
    pub(crate) fn amount(&self, money: Money, channel: Channel) -> String {
        match channel {
            Channel::Sms => self.money_format.format_for_sms(money),
            Channel::Push | Channel::Email => self.money_format.format(money),
        }
    }

    /// The date and time, as messages on `channel` show them.
    pub(crate) fn date(&self, at: Timestamp, zone: &TimeZone, channel: Channel) -> String {
        match channel {
            Channel::Sms => self.date_format.format_for_sms(at, zone),
            Channel::Push | Channel::Email => self.date_format.format(at, zone),
        }
    }

    pub(crate) fn template(&self, kind: Kind, part: TemplatePart) -> Option<&Template> {
        self.templates.get(&(kind, part))
    }

    /// Whether every part of the message has a template.
    fn covers(&self, kind: Kind, channel: Channel) -> bool {
        TemplatePart::of(channel).iter().all(|part| self.templates.contains_key(&(kind, *part)))
    }
}

impl TemplateRegistry {
    /// Compiles every file as far as possible, and reports what is wrong with it.
    pub(crate) fn of(
        files: &[TemplateFile],
        locale_settings: &LocaleSettingsIndex,
        settings: &Settings,
    ) -> (Self, Vec<Diagnostic>) {
        let fraud_words = FraudWords::new(locale_settings.fraud_words());
        let mut locales: HashMap<String, LocaleTemplates> = HashMap::new();
        let mut diagnostics = Vec::new();
        for of_locale in files.chunk_by(|one, other| one.locale == other.locale) {
            for file in of_locale {
                let (template, of_file) = lint::check(file, settings, &fraud_words);
                diagnostics.extend(of_file);
                let Some(template) = template else { continue };
                let templates = match locales.entry(tag(&file.locale)) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => match LocaleTemplates::load(&file.locale, locale_settings) {
                        Ok(templates) => new.insert(templates),
                        Err(error) => {
                            diagnostics.push(unknown_language(file, settings, &error));
                            break;
                        }
                    },
                };
                templates.templates.insert((file.kind, file.part), template);
            }
        }
        (Self { locales, default: tag(&settings.default_locale) }, diagnostics)
    }

    /// The templates for recipients of `locale`: those of `pl-PL`, then of `pl`, then of the default locale. The last step
    /// is counted, because the recipient then gets a language that they did not choose.
    pub(crate) fn find(&self, locale: &Locale, kind: Kind, channel: Channel) -> Option<&LocaleTemplates> {
        let wanted = tag(locale);
        self.in_chain(&wanted, kind, channel).or_else(|| {
            let language = locale.language().to_ascii_lowercase();
            metrics::counter!("otpost_template_fallback_total", "locale" => language).increment(1);
            self.in_chain(&self.default, kind, channel)
        })
    }

    /// The template that was compiled from `file`, and those of its locale.
    pub(crate) fn of_file(&self, file: &TemplateFile) -> Option<(&LocaleTemplates, &Template)> {
        let templates = self.locales.get(&tag(&file.locale))?;
        Some((templates, templates.template(file.kind, file.part)?))
    }

    /// Whether the locale or one that it falls back to has templates; the default locale does not count.
    pub(crate) fn covers(&self, locale: &Locale) -> bool {
        chain(&tag(locale)).any(|tag| self.locales.contains_key(tag))
    }

    pub(crate) fn locales(&self) -> impl Iterator<Item = &LocaleTemplates> {
        self.locales.values()
    }

    fn in_chain(&self, tag: &str, kind: Kind, channel: Channel) -> Option<&LocaleTemplates> {
        chain(tag).filter_map(|tag| self.locales.get(tag)).find(|templates| templates.covers(kind, channel))
    }
}

fn unknown_language(file: &TemplateFile, settings: &Settings, why: &str) -> Diagnostic {
    let message = format!("{why}: name the folder after a language tag such as pl or pl-PL (BCP 47)");
    Diagnostic::about(settings.dir.join(file.locale.as_str()), "language-unknown", message)
}
