//! Messages as people would get them, with invented values: for whoever writes texts, or pays for them.
//!
//! Reads the texts of one kind in one language and its parents, so that mistakes elsewhere are not in the way; those of
//! the default language only where something is missing. Nothing here is ever sent.

use std::fs;
use std::time::Duration;

use serde::Serialize;

use super::error::Error;
use super::format::{date, merchant_name, money};
use super::registry::LocaleTemplates;
use super::settings::Settings;
use super::sms::budget;
use super::sms::segments;
use super::sms::segments::SmsCost;
use super::template::file;
use super::template::file::TemplateFile;
use super::template::part::TemplatePart;
use super::template::values::Values;
use super::{RenderContext, Renderer, write};
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::money::Money;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;
use crate::domain::secret::RenderedText;

/// How long the invented code is of use.
const VALID_FOR: Duration = Duration::from_mins(5);

/// The texts of one kind for readers of one language.
pub struct Previews {
    renderer: Renderer,
    kind: Kind,
    locale: Locale,
}

/// One message with invented values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// `typical`, or `longest` for the longest values that there are in practice.
    pub about: &'static str,
    /// The folder that its texts are from.
    pub locale: Locale,
    /// Its parts by the names of their files, in order.
    pub parts: Vec<(&'static str, String)>,
    /// What it costs, when it is an SMS.
    pub cost: Option<SmsCost>,
}

impl Previews {
    /// Reads the texts of `kind` in `locale` that lie in the folder of `settings`.
    pub fn open(settings: &Settings, kind: Kind, locale: &Locale) -> Result<Self, Error> {
        let mut files = read(settings, kind, locale)?;
        if files.is_empty() {
            return Err(Error::NoTexts { locale: locale.clone(), known: folders(settings)? });
        }
        let has = |files: &[TemplateFile], part| files.iter().any(|file| file.part == part);
        if !Channel::ALL.into_iter().flat_map(TemplatePart::of).all(|part| has(&files, *part)) {
            files.extend(read(settings, kind, &settings.default_locale)?);
        }
        let renderer = Renderer::unless_refused(Renderer::make(&files, settings)?)?;
        Ok(Self { renderer, kind, locale: locale.clone() })
    }

    /// How `channel` tells it, to whom it is told `now`. `transliterate` is what an SMS provider says of it.
    pub fn samples(&self, channel: Channel, transliterate: Option<bool>, now: Timestamp) -> Result<[Sample; 2], Error> {
        let Self { renderer, kind, locale } = self;
        let files = || TemplatePart::of(channel).iter().map(|part| format!("{kind}/{}", part.file())).collect();
        let missing = || Error::Missing { locale: renderer.default_locale.clone(), files: files() };
        let voice = renderer.catalog.voice(locale, *kind, channel).ok_or_else(missing)?;
        let until = now.after(VALID_FOR);
        let context = RenderContext { locale, zone: None, until, transliterate };
        let typical = self.typical(voice, channel, now);
        let typical = typical.variations(*kind).into_iter().next().unwrap_or(typical);
        let payee = "W".repeat(merchant_name::NAME_MAX);
        let longest = budget::longest(renderer, voice, channel, payee).variations(*kind);
        let written = |about, values: &Values<'_>| self.sample(about, voice, channel, values, &context);
        let longest = longest.iter().map(|values| written("longest", values)).collect::<Result<Vec<_>, _>>()?;
        let dearest = longest.into_iter().max_by_key(size).ok_or_else(missing)?;
        Ok([written("typical", &typical)?, dearest])
    }

    fn typical(&self, voice: &LocaleTemplates, channel: Channel, now: Timestamp) -> Values<'_> {
        let zone = self.renderer.time_zone();
        let euros = money::listed().find(|(currency, _)| currency.as_str() == "EUR");
        let amount = euros.map(|(currency, _)| voice.amount(Money { minor: 4990, currency }, channel));
        Values {
            otp: "012345",
            until: date::hour(now.after(VALID_FOR), zone, false),
            amount: amount.unwrap_or_default(),
            merchant: "Example Shop".to_owned(),
            brand: &self.renderer.brand,
            date: voice.day(now, zone, channel),
            name: "Alex".to_owned(),
            card: "1234",
            ..Values::default()
        }
    }

    fn sample(
        &self,
        about: &'static str,
        voice: &LocaleTemplates,
        channel: Channel,
        values: &Values<'_>,
        context: &RenderContext<'_>,
    ) -> Result<Sample, Error> {
        let text = |part| match part {
            TemplatePart::Sms => self.renderer.sms(voice, self.kind, values, context),
            part => write(voice, self.kind, part, values),
        };
        let named = |part: &TemplatePart| Ok::<_, Error>((part.file().trim_end_matches(".hbs"), plain(&text(*part)?)));
        let mut parts = TemplatePart::of(channel).iter().map(named).collect::<Result<Vec<_>, _>>()?;
        if channel == Channel::Email {
            parts.push(("email.html", plain(&self.renderer.page(voice, self.kind, values)?)));
        }
        let cost = parts.first().filter(|_| channel == Channel::Sms).map(|(_, text)| segments::count(text));
        Ok(Sample { about, locale: voice.locale().clone(), parts, cost })
    }
}

// The codes in here are invented.
fn plain(text: &RenderedText) -> String {
    text.reveal().to_owned()
}

fn size(sample: &Sample) -> (usize, usize) {
    let bytes = sample.parts.iter().map(|(_, text)| text.len()).sum();
    (sample.cost.as_ref().map_or(0, |cost| cost.size.segments), bytes)
}

fn read(settings: &Settings, kind: Kind, locale: &Locale) -> Result<Vec<TemplateFile>, Error> {
    let mut files = Vec::new();
    for folder in folders(settings)? {
        let chain = std::iter::successors(Some(locale.clone()), Locale::parent);
        if chain.into_iter().any(|locale| locale.as_str().eq_ignore_ascii_case(&folder))
            && let Some(locale) = file::locale_of(&folder)
        {
            files.extend(file::read_kind(&settings.dir.join(&folder).join(kind.name()), &locale, kind)?);
        }
    }
    Ok(files)
}

fn folders(settings: &Settings) -> Result<Vec<String>, Error> {
    let unreadable = |source| Error::Unreadable { file: settings.dir.clone(), source };
    let entries =
        fs::read_dir(&settings.dir).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let names = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut folders: Vec<_> = names.filter(|name| file::locale_of(name).is_some()).collect();
    folders.sort();
    Ok(folders)
}
