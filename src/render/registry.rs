//! All texts, understood once, by locale.
//!
//! Opens no file, and refuses nothing: what is wrong is said. A message is written in one language: where a locale lacks
//! one of its parts, the whole message comes from the next locale.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use icu_locale::extensions::unicode::{key, value};
use icu_locale::{LanguageIdentifier, LocaleDirectionality, LocaleExpander, TransformResult};
use jiff::tz::TimeZone;

use super::format::date::DateFormat;
use super::format::money::MoneyFormat;
use super::settings::Settings;
use super::template::ast::Template;
use super::template::file::TemplateFile;
use super::template::part::TemplatePart;
use super::validate::coverage::{parents, tag};
use super::validate::diagnostic::Diagnostic;
use super::validate::lint;
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::money::Money;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;

/// One locale: its texts, and how it writes amounts and days.
pub(crate) struct LocaleTemplates {
    locale: Locale,
    texts: HashMap<(Kind, TemplatePart), Template>,
    money_format: MoneyFormat,
    calendar: DateFormat,
    /// Whether its lines begin on the right.
    pub(crate) right_to_left: bool,
}

/// Every locale there is a folder for.
pub(crate) struct TemplateRegistry {
    // By the tag in small letters: `pl-PL` and `pl-pl` are the same locale (RFC 5646, 2.1.1).
    voices: HashMap<String, LocaleTemplates>,
    default: String,
}

impl LocaleTemplates {
    fn learn(locale: &Locale) -> Result<Self, String> {
        let mut tag: icu_locale::Locale = locale.as_str().parse().map_err(|error| format!("{error}"))?;
        let mut language = LanguageIdentifier::from(tag.id.language);
        // Of a language that there is, it is known how it is mostly written, and where.
        if LocaleExpander::new_extended().maximize(&mut language) == TransformResult::Unmodified {
            return Err("there is no such language".to_owned());
        }
        let right_to_left = LocaleDirectionality::new_common().is_right_to_left(&tag.id);
        // One kind of digits in a message: those of the code, which is typed as it is read.
        tag.extensions.unicode.keywords.set(key!("nu"), value!("latn"));
        let money_format = MoneyFormat::learn(&tag).map_err(|error| error.to_string())?;
        let calendar = DateFormat::learn(&tag).map_err(|error| error.to_string())?;
        Ok(Self { locale: locale.clone(), texts: HashMap::new(), money_format, calendar, right_to_left })
    }

    /// The locale as its folder is called.
    pub(crate) fn locale(&self) -> &Locale {
        &self.locale
    }

    /// The language alone: `pl` of `pl-PL`.
    pub(crate) fn language(&self) -> &str {
        self.locale.language()
    }

    /// The amount as messages of `channel` have it.
    pub(crate) fn amount(&self, money: Money, channel: Channel) -> String {
        match channel {
            Channel::Sms => self.money_format.write_for_sms(money),
            Channel::Push | Channel::Email => self.money_format.write(money),
        }
    }

    /// The day and minute as messages of `channel` have them.
    pub(crate) fn day(&self, at: Timestamp, zone: &TimeZone, channel: Channel) -> String {
        match channel {
            Channel::Sms => self.calendar.write_for_sms(at, zone),
            Channel::Push | Channel::Email => self.calendar.write(at, zone),
        }
    }

    /// The text of one part.
    pub(crate) fn text(&self, kind: Kind, part: TemplatePart) -> Option<&Template> {
        self.texts.get(&(kind, part))
    }

    /// Whether a whole message can be written.
    pub(crate) fn speaks(&self, kind: Kind, channel: Channel) -> bool {
        TemplatePart::of(channel).iter().all(|part| self.texts.contains_key(&(kind, *part)))
    }
}

impl TemplateRegistry {
    /// Understands every sheet as far as that is possible, and says what is wrong with it.
    pub(crate) fn of(files: &[TemplateFile], settings: &Settings) -> (Self, Vec<Diagnostic>) {
        let mut voices: HashMap<String, LocaleTemplates> = HashMap::new();
        let mut findings = Vec::new();
        for of_locale in files.chunk_by(|one, other| one.locale == other.locale) {
            for file in of_locale {
                let (text, wrong) = lint::look(file, settings);
                findings.extend(wrong);
                let Some(text) = text else { continue };
                let voice = match voices.entry(tag(&file.locale)) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => match LocaleTemplates::learn(&file.locale) {
                        Ok(voice) => new.insert(voice),
                        Err(why) => {
                            findings.push(unknown(file, settings, &why));
                            break;
                        }
                    },
                };
                voice.texts.insert((file.kind, file.part), text);
            }
        }
        (Self { voices, default: tag(&settings.default_locale) }, findings)
    }

    /// Who speaks to a reader of `locale`: `pl-PL`, then `pl`, then the default. That last step is counted, because
    /// somebody is written to in a language they did not choose.
    pub(crate) fn voice(&self, locale: &Locale, kind: Kind, channel: Channel) -> Option<&LocaleTemplates> {
        let wanted = tag(locale);
        self.in_chain(&wanted, kind, channel).or_else(|| {
            let language = language(&wanted).to_owned();
            metrics::counter!("otpost_template_fallback_total", "locale" => language).increment(1);
            self.in_chain(&self.default, kind, channel)
        })
    }

    /// The text that a sheet became, with its voice.
    pub(crate) fn text_of(&self, file: &TemplateFile) -> Option<(&LocaleTemplates, &Template)> {
        let voice = self.voices.get(&tag(&file.locale))?;
        Some((voice, voice.text(file.kind, file.part)?))
    }

    /// Every locale there is.
    pub(crate) fn voices(&self) -> impl Iterator<Item = &LocaleTemplates> {
        self.voices.values()
    }

    fn in_chain(&self, tag: &str, kind: Kind, channel: Channel) -> Option<&LocaleTemplates> {
        let chain = std::iter::once(tag).chain(parents(tag));
        chain.filter_map(|tag| self.voices.get(tag)).find(|voice| voice.speaks(kind, channel))
    }
}

fn unknown(file: &TemplateFile, settings: &Settings, why: &str) -> Diagnostic {
    let what = format!("{why}: call the folder after a language, such as pl or pl-PL (BCP 47)");
    Diagnostic::about(settings.dir.join(file.locale.as_str()), "language-unknown", what)
}

fn language(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}
