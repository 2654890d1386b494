//! All texts, understood once, by locale.
//!
//! Opens no file, and refuses nothing: what is wrong is said. A message is written in one language: where a locale lacks
//! one of its parts, the whole message comes from the next locale.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use icu_locale::extensions::unicode::{key, value};
use icu_locale::{LanguageIdentifier, LocaleDirectionality, LocaleExpander, TransformResult};
use jiff::tz::TimeZone;

use super::coverage::{parents, tag};
use super::date::Calendar;
use super::finding::Finding;
use super::lint;
use super::money::Purse;
use super::part::Part;
use super::settings::Settings;
use super::sheet::Sheet;
use super::text::Text;
use crate::domain::address::Channel;
use crate::domain::clock::Timestamp;
use crate::domain::money::Money;
use crate::domain::notification::Kind;
use crate::domain::person::Locale;

/// One locale: its texts, and how it writes amounts and days.
pub(super) struct Voice {
    locale: Locale,
    texts: HashMap<(Kind, Part), Text>,
    purse: Purse,
    calendar: Calendar,
    /// Whether its lines begin on the right.
    pub(super) right_to_left: bool,
}

/// Every locale there is a folder for.
pub(super) struct Catalog {
    // By the tag in small letters: `pl-PL` and `pl-pl` are the same locale (RFC 5646, 2.1.1).
    voices: HashMap<String, Voice>,
    default: String,
}

impl Voice {
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
        let purse = Purse::learn(&tag).map_err(|error| error.to_string())?;
        let calendar = Calendar::learn(&tag).map_err(|error| error.to_string())?;
        Ok(Self { locale: locale.clone(), texts: HashMap::new(), purse, calendar, right_to_left })
    }

    /// The locale as its folder is called.
    pub(super) fn locale(&self) -> &Locale {
        &self.locale
    }

    /// The language alone: `pl` of `pl-PL`.
    pub(super) fn language(&self) -> &str {
        self.locale.language()
    }

    /// The amount as messages of `channel` have it.
    pub(super) fn amount(&self, money: Money, channel: Channel) -> String {
        match channel {
            Channel::Sms => self.purse.write_for_sms(money),
            Channel::Push | Channel::Email => self.purse.write(money),
        }
    }

    /// The day and minute as messages of `channel` have them.
    pub(super) fn day(&self, at: Timestamp, zone: &TimeZone, channel: Channel) -> String {
        match channel {
            Channel::Sms => self.calendar.write_for_sms(at, zone),
            Channel::Push | Channel::Email => self.calendar.write(at, zone),
        }
    }

    /// The text of one part.
    pub(super) fn text(&self, kind: Kind, part: Part) -> Option<&Text> {
        self.texts.get(&(kind, part))
    }

    /// Whether a whole message can be written.
    pub(super) fn speaks(&self, kind: Kind, channel: Channel) -> bool {
        Part::of(channel).iter().all(|part| self.texts.contains_key(&(kind, *part)))
    }
}

impl Catalog {
    /// Understands every sheet as far as that is possible, and says what is wrong with it.
    pub(super) fn of(sheets: &[Sheet], settings: &Settings) -> (Self, Vec<Finding>) {
        let mut voices: HashMap<String, Voice> = HashMap::new();
        let mut findings = Vec::new();
        for of_locale in sheets.chunk_by(|one, other| one.locale == other.locale) {
            for sheet in of_locale {
                let (text, wrong) = lint::look(sheet, settings);
                findings.extend(wrong);
                let Some(text) = text else { continue };
                let voice = match voices.entry(tag(&sheet.locale)) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => match Voice::learn(&sheet.locale) {
                        Ok(voice) => new.insert(voice),
                        Err(why) => {
                            findings.push(unknown(sheet, settings, &why));
                            break;
                        }
                    },
                };
                voice.texts.insert((sheet.kind, sheet.part), text);
            }
        }
        (Self { voices, default: tag(&settings.default_locale) }, findings)
    }

    /// Who speaks to a reader of `locale`: `pl-PL`, then `pl`, then the default. That last step is counted, because
    /// somebody is written to in a language they did not choose.
    pub(super) fn voice(&self, locale: &Locale, kind: Kind, channel: Channel) -> Option<&Voice> {
        let wanted = tag(locale);
        self.in_chain(&wanted, kind, channel).or_else(|| {
            let language = language(&wanted).to_owned();
            metrics::counter!("otpost_template_fallback_total", "locale" => language).increment(1);
            self.in_chain(&self.default, kind, channel)
        })
    }

    /// The text that a sheet became, with its voice.
    pub(super) fn text_of(&self, sheet: &Sheet) -> Option<(&Voice, &Text)> {
        let voice = self.voices.get(&tag(&sheet.locale))?;
        Some((voice, voice.text(sheet.kind, sheet.part)?))
    }

    /// Every locale there is.
    pub(super) fn voices(&self) -> impl Iterator<Item = &Voice> {
        self.voices.values()
    }

    fn in_chain(&self, tag: &str, kind: Kind, channel: Channel) -> Option<&Voice> {
        let chain = std::iter::once(tag).chain(parents(tag));
        chain.filter_map(|tag| self.voices.get(tag)).find(|voice| voice.speaks(kind, channel))
    }
}

fn unknown(sheet: &Sheet, settings: &Settings, why: &str) -> Finding {
    let what = format!("{why}: call the folder after a language, such as pl or pl-PL (BCP 47)");
    Finding::about(settings.dir.join(sheet.locale.as_str()), "language-unknown", what)
}

fn language(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}
