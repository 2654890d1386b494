//! Sample messages with invented values, for operators who edit templates.
//!
//! Loads the templates of one kind in one locale and its parents, so that errors elsewhere do not matter; those of the
//! default locale only if a part is missing. Samples are never sent.

use std::time::Duration;

use serde::Serialize;
use strum::{EnumIter, EnumString, IntoStaticStr};

use super::error::Error;
use super::format::{date, merchant_name};
use super::registry::LocaleTemplates;
use super::settings::Settings;
use super::sms::budget;
use super::sms::segments::{self, SmsCost};
use super::template::file;
use super::template::file::TemplateSet;
use super::template::part::TemplatePart;
use super::template::values::{Values, Variable};
use super::{RenderContext, Renderer, render_part, validate};
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::money::{Currency, Money};
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;
use crate::domain::secret::RenderedText;

/// How long the invented code is valid.
const VALID_FOR: Duration = Duration::from_mins(5);

/// The templates of one kind for recipients of one locale.
pub struct Previews {
    renderer: Renderer,
    kind: Kind,
    locale: Locale,
}

/// The values that a sample is rendered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum SampleValues {
    Typical,
    /// The longest values that occur in practice, in the combination of conditions that renders the longest message.
    Longest,
    /// An amount in a currency without decimals.
    Yen,
    /// An amount in a currency with three decimals.
    Dinar,
    /// An amount of zero: a card check.
    ZeroAmount,
    /// A merchant without a name that can be shown.
    NoMerchant,
    /// A merchant with a name in Arabic.
    RightToLeft,
}

impl SampleValues {
    /// The name in addresses and lists.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One message with invented values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageSample {
    /// The name of its [`SampleValues`].
    pub values: &'static str,
    /// The locale of the templates.
    pub locale: Locale,
    /// The rendered parts by the names of their files, in order.
    pub parts: Vec<(&'static str, String)>,
    /// The size of an SMS; `None` for other channels.
    pub cost: Option<SmsCost>,
}

impl Previews {
    /// Loads the templates of `kind` and `locale` from the folder of `settings`.
    pub fn open(settings: &Settings, kind: Kind, locale: &Locale) -> Result<Self, Error> {
        let mut set = load(settings, kind, locale)?;
        if set.templates.is_empty() {
            return Err(Error::NoTemplates { locale: locale.clone(), known: folders(settings)? });
        }
        let has = |part: &TemplatePart| set.templates.iter().any(|file| file.part == *part);
        if set.locales.is_empty() || !Channel::ALL.into_iter().flat_map(TemplatePart::of).all(has) {
            let default = load(settings, kind, &settings.default_locale)?;
            set.templates.extend(default.templates);
            set.locales.extend(default.locales);
        }
        let renderer = Renderer::without_errors(validate::compile_partial(&set, settings)?)?;
        Ok(Self::of(renderer, kind, locale))
    }

    /// The messages of `kind` and `locale` from templates that are compiled already.
    pub(super) fn of(renderer: Renderer, kind: Kind, locale: &Locale) -> Self {
        Self { renderer, kind, locale: locale.clone() }
    }

    /// One sample for `channel` at the time `now`.
    pub fn sample_with(&self, values: SampleValues, channel: Channel, now: Timestamp) -> Result<MessageSample, Error> {
        let Self { renderer, kind, locale } = self;
        let missing = || renderer.missing(*kind, channel);
        let templates = renderer.registry.find(locale, *kind, channel).ok_or_else(missing)?;
        let context = RenderContext { locale, zone: None, until: now.after(VALID_FOR), transliterate: None };
        let typical = self.typical(templates, channel, now);
        let money = |minor, code| {
            let currency = Currency::parse(code).ok();
            currency.map(|currency| templates.amount(Money { minor, currency }, channel)).unwrap_or_default()
        };
        let changed = match values {
            SampleValues::Typical => typical,
            SampleValues::Longest => {
                let [_, longest] = self.samples(channel, None, now)?;
                return Ok(longest);
            }
            SampleValues::Yen => Values { amount: money(5_000, "JPY"), ..typical },
            SampleValues::Dinar => Values { amount: money(12_345_678, "KWD"), ..typical },
            SampleValues::ZeroAmount => Values { amount: money(0, "EUR"), yes: vec![Variable::Zero], ..typical },
            SampleValues::NoMerchant => {
                let merchant = if *kind == Kind::Otp { templates.unnamed_merchant() } else { "" };
                Values { merchant: merchant.to_owned(), yes: vec![Variable::Unnamed], ..typical }
            }
            SampleValues::RightToLeft => Values { merchant: "متجر المثال".to_owned(), ..typical },
        };
        let first = changed.variations(*kind).into_iter().next().unwrap_or(changed);
        self.sample(values.name(), templates, channel, &first, &context)
    }

    /// The samples for `channel` at the time `now`. `transliterate` is the setting of the SMS provider.
    pub fn samples(
        &self,
        channel: Channel,
        transliterate: Option<bool>,
        now: Timestamp,
    ) -> Result<[MessageSample; 2], Error> {
        let Self { renderer, kind, locale } = self;
        let missing = || renderer.missing(*kind, channel);
        let templates = renderer.registry.find(locale, *kind, channel).ok_or_else(missing)?;
        let until = now.after(VALID_FOR);
        let context = RenderContext { locale, zone: None, until, transliterate };
        let typical = self.typical(templates, channel, now);
        let typical = typical.variations(*kind).into_iter().next().unwrap_or(typical);
        let merchant = "W".repeat(merchant_name::NAME_MAX);
        let longest = budget::longest(renderer, templates, channel, merchant).variations(*kind);
        let sample = |name, values: &Values<'_>| self.sample(name, templates, channel, values, &context);
        let longest = longest.iter().map(|values| sample("longest", values)).collect::<Result<Vec<_>, _>>()?;
        let longest = longest.into_iter().max_by_key(size).ok_or_else(missing)?;
        Ok([sample("typical", &typical)?, longest])
    }

    fn typical(&self, templates: &LocaleTemplates, channel: Channel, now: Timestamp) -> Values<'_> {
        let zone = self.renderer.time_zone();
        let euro = Currency::parse("EUR").ok();
        let amount = euro.map(|currency| templates.amount(Money { minor: 4990, currency }, channel));
        Values {
            otp: "012345",
            until: date::time(now.after(VALID_FOR), zone, false),
            amount: amount.unwrap_or_default(),
            merchant: "Example Shop".to_owned(),
            brand: &self.renderer.brand,
            date: templates.date(now, zone, channel),
            name: "Alex".to_owned(),
            card: "1234",
            ..Values::default()
        }
    }

    fn sample(
        &self,
        name: &'static str,
        templates: &LocaleTemplates,
        channel: Channel,
        values: &Values<'_>,
        context: &RenderContext<'_>,
    ) -> Result<MessageSample, Error> {
        let text = |part| match part {
            TemplatePart::Sms => budget::render(&self.renderer, templates, self.kind, values, context),
            part => render_part(templates, self.kind, part, values),
        };
        let named = |part: &TemplatePart| Ok::<_, Error>((part.file().trim_end_matches(".hbs"), plain(&text(*part)?)));
        let mut parts = TemplatePart::of(channel).iter().map(named).collect::<Result<Vec<_>, _>>()?;
        if channel == Channel::Email {
            parts.push(("email.html", plain(&self.renderer.page(templates, self.kind, values)?)));
        }
        let cost = parts.first().filter(|_| channel == Channel::Sms).map(|(_, text)| segments::count(text));
        Ok(MessageSample { values: name, locale: templates.locale().clone(), parts, cost })
    }
}

// The codes of samples are invented.
fn plain(text: &RenderedText) -> String {
    text.reveal().to_owned()
}

fn size(sample: &MessageSample) -> (usize, usize) {
    let bytes = sample.parts.iter().map(|(_, text)| text.len()).sum();
    (sample.cost.as_ref().map_or(0, |cost| cost.size.segments), bytes)
}

fn load(settings: &Settings, kind: Kind, locale: &Locale) -> Result<TemplateSet, Error> {
    let mut set = TemplateSet::default();
    for folder in folders(settings)? {
        let mut chain = std::iter::successors(Some(locale.clone()), Locale::parent);
        if chain.any(|locale| locale.as_str().eq_ignore_ascii_case(&folder))
            && let Some(locale) = file::locale_of(&folder)
        {
            let folder = settings.dir.join(&folder);
            set.templates.extend(file::load_kind(&folder.join(kind.name()), &locale, kind)?);
            set.locales.extend(file::load_locale_file(&folder, &locale)?);
        }
    }
    Ok(set)
}

fn folders(settings: &Settings) -> Result<Vec<String>, Error> {
    let entries = file::entries(&settings.dir)?.ok_or_else(|| Error::NoFolder { dir: settings.dir.clone() })?;
    let names = entries.iter().filter_map(|entry| Some(entry.file_name()?.to_string_lossy().into_owned()));
    let mut folders: Vec<_> = names.filter(|name| file::locale_of(name).is_some()).collect();
    folders.sort();
    Ok(folders)
}
