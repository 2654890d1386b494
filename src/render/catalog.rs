//! All templates, understood and checked once, by locale.
//!
//! Opens no file. A message is written in one language: where a locale lacks one of its parts, the whole message comes
//! from the next locale.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::failure::Error;
use super::money::Purse;
use super::part::Part;
use super::sheet::Sheet;
use super::text::Text;
use crate::domain::address::Channel;
use crate::domain::notification::Kind;
use crate::domain::person::Locale;

/// One locale: its texts, and how it writes amounts.
pub(super) struct Voice {
    locale: Locale,
    texts: HashMap<(Kind, Part), Text>,
    /// How amounts are written.
    pub(super) purse: Purse,
}

/// Every locale there is a folder for.
pub(super) struct Catalog {
    // By the tag in small letters: `pl-PL` and `pl-pl` are the same locale (RFC 5646, 2.1.1).
    voices: HashMap<String, Voice>,
    default: String,
}

impl Voice {
    fn learn(locale: &Locale) -> Result<Self, Error> {
        let unknown = |source| Error::Locale { locale: locale.clone(), source };
        let tag = locale.as_str().parse().map_err(|error| unknown(Box::new(error)))?;
        let purse = Purse::learn(&tag).map_err(unknown)?;
        Ok(Self { locale: locale.clone(), texts: HashMap::new(), purse })
    }

    fn take(&mut self, sheet: &Sheet) -> Result<(), Error> {
        let refused = |fault| Error::Refused { file: sheet.place.clone(), fault };
        let text = Text::read(sheet.kind, sheet.part, &sheet.source).map_err(refused)?;
        self.texts.insert((sheet.kind, sheet.part), text);
        Ok(())
    }

    /// The locale as its folder is called.
    pub(super) fn locale(&self) -> &Locale {
        &self.locale
    }

    /// The language alone: `pl` of `pl-PL`.
    pub(super) fn language(&self) -> &str {
        self.locale.language()
    }

    /// The text of one part.
    pub(super) fn text(&self, kind: Kind, part: Part) -> Option<&Text> {
        self.texts.get(&(kind, part))
    }

    /// Every part this locale has a text for.
    pub(super) fn parts(&self) -> impl Iterator<Item = (Kind, Part)> {
        self.texts.keys().copied()
    }

    /// Whether a whole message can be written.
    pub(super) fn speaks(&self, kind: Kind, channel: Channel) -> bool {
        Part::of(channel).iter().all(|part| self.texts.contains_key(&(kind, *part)))
    }
}

impl Catalog {
    /// Understands every sheet; the default locale, with its parents, has to be complete.
    pub(super) fn of(sheets: &[Sheet], default: &Locale) -> Result<Self, Error> {
        let catalog = Self::of_some(sheets, default)?;
        let missing = catalog.missing();
        if missing.is_empty() { Ok(catalog) } else { Err(Error::Missing { locale: default.clone(), files: missing }) }
    }

    /// Understands these sheets, whatever is missing.
    pub(super) fn of_some(sheets: &[Sheet], default: &Locale) -> Result<Self, Error> {
        let mut voices: HashMap<String, Voice> = HashMap::new();
        for sheet in sheets {
            let voice = match voices.entry(sheet.locale.as_str().to_ascii_lowercase()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(Voice::learn(&sheet.locale)?),
            };
            voice.take(sheet)?;
        }
        Ok(Self { voices, default: default.as_str().to_ascii_lowercase() })
    }

    /// Who speaks to a reader of `locale`: `pl-PL`, then `pl`, then the default. That last step is counted, because
    /// somebody is written to in a language they did not choose.
    pub(super) fn voice(&self, locale: &Locale, kind: Kind, channel: Channel) -> Option<&Voice> {
        let wanted = locale.as_str().to_ascii_lowercase();
        self.in_chain(&wanted, kind, channel).or_else(|| {
            let language = language(&wanted).to_owned();
            metrics::counter!("otpost_template_fallback_total", "locale" => language).increment(1);
            self.in_chain(&self.default, kind, channel)
        })
    }

    /// Every locale there is.
    pub(super) fn voices(&self) -> impl Iterator<Item = &Voice> {
        self.voices.values()
    }

    fn in_chain(&self, tag: &str, kind: Kind, channel: Channel) -> Option<&Voice> {
        let chain = std::iter::successors(Some(tag), |tag| tag.rsplit_once('-').map(|(parent, _)| parent));
        chain.filter_map(|tag| self.voices.get(tag)).find(|voice| voice.speaks(kind, channel))
    }

    // The files that the default locale needs and has neither itself nor from a parent.
    fn missing(&self) -> Vec<String> {
        let voice = self.voices.get(&self.default);
        let lacks = |kind, part| voice.is_none_or(|voice| voice.text(kind, part).is_none());
        let messages = Kind::ALL.into_iter().flat_map(|kind| Channel::ALL.map(|channel| (kind, channel)));
        messages
            .filter(|(kind, channel)| self.in_chain(&self.default, *kind, *channel).is_none())
            .flat_map(|(kind, channel)| Part::of(channel).iter().map(move |part| (kind, *part)))
            .filter(|(kind, part)| lacks(*kind, *part))
            .map(|(kind, part)| format!("{kind}/{}", part.file()))
            .collect()
    }
}

fn language(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}
