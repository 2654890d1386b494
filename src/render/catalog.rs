//! All templates, read and checked once, by locale.
//!
//! Reads `<dir>/<locale>/<kind>/<part>.hbs` when it is loaded and no file ever again. A message is written in one
//! language: where a locale lacks one of its parts, the whole message comes from the next locale.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::Error;
use super::guard::Fault;
use super::money::Purse;
use super::part::Part;
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
    fn load(dir: &Path, locale: Locale) -> Result<Self, Error> {
        let unknown = |source| Error::Locale { locale: locale.clone(), source };
        let tag = locale.as_str().parse().map_err(|error| unknown(Box::new(error)))?;
        let purse = Purse::learn(&tag).map_err(unknown)?;
        let mut texts = HashMap::new();
        for kind in Kind::ALL {
            refuse_strangers(&dir.join(kind.name()))?;
            for part in Channel::ALL.into_iter().flat_map(Part::of).copied() {
                let file = dir.join(kind.name()).join(part.file());
                if let Some(source) = read(&file, part)? {
                    let text = Text::read(kind, part, &source).map_err(|fault| Error::Refused { file, fault })?;
                    texts.insert((kind, part), text);
                }
            }
        }
        Ok(Self { locale, texts, purse })
    }

    /// The locale as its folder is called.
    pub(super) fn locale(&self) -> &Locale {
        &self.locale
    }

    /// The language alone: `pl` of `pl-PL`.
    pub(super) fn language(&self) -> &str {
        language(self.locale.as_str())
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
    /// Reads every locale below `dir`; the default one, with its parents, has to be complete.
    pub(super) fn load(dir: &Path, default: &Locale) -> Result<Self, Error> {
        let unreadable = |source| Error::Unreadable { file: dir.to_owned(), source };
        let mut voices = HashMap::new();
        for entry in fs::read_dir(dir).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if let Some(locale) = locale_of(&entry.file_name().to_string_lossy()) {
                let voice = Voice::load(&entry.path(), locale)?;
                voices.insert(voice.locale().as_str().to_ascii_lowercase(), voice);
            }
        }
        let catalog = Self { voices, default: default.as_str().to_ascii_lowercase() };
        let missing = catalog.missing();
        if missing.is_empty() { Ok(catalog) } else { Err(Error::Missing { locale: default.clone(), files: missing }) }
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

/// The locale that a folder of this name holds. Languages have two or three letters (ISO 639), so that `console`
/// beside them is none.
pub(super) fn locale_of(folder: &str) -> Option<Locale> {
    Locale::parse(folder).ok().filter(|locale| language(locale.as_str()).len() <= 3)
}

fn language(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}

// A misspelt file would silently be written in another language.
fn refuse_strangers(dir: &Path) -> Result<(), Error> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(Error::Unreadable { file: dir.to_owned(), source }),
    };
    let files: Vec<_> = Channel::ALL.into_iter().flat_map(Part::of).map(|part| part.file()).collect();
    let mut names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    match names
        .find(|name| Path::new(name).extension().is_some_and(|kind| kind == "hbs") && !files.contains(&name.as_str()))
    {
        Some(name) => {
            let what = format!("no part of a message is called so; there are {}", files.join(", "));
            Err(Error::Refused { file: dir.join(name), fault: Fault { at: None, what } })
        }
        None => Ok(()),
    }
}

// `None` where there is no such file. Nothing larger than allowed is taken into memory.
fn read(file: &Path, part: Part) -> Result<Option<String>, Error> {
    let unreadable = |source| Error::Unreadable { file: file.to_owned(), source };
    match fs::metadata(file) {
        Ok(about) if about.len() > part.source_limit() as u64 => {
            Err(Error::TooLarge { file: file.to_owned(), limit: part.source_limit() })
        }
        Ok(_) => fs::read_to_string(file).map(Some).map_err(unreadable),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(error)),
    }
}
