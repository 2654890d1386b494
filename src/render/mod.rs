//! Writes the text of a message: for one channel, in one language, with one person's values.
//!
//! Knows neither people nor providers, keeps nothing it wrote, and never logs. Templates are read and checked when
//! they are loaded; after that, writing opens no file and takes no lock. The code is borrowed from its notification
//! and goes nowhere but into the finished text.

mod catalog;
mod color;
mod date;
mod failure;
mod fill;
mod finding;
mod fragment;
mod guard;
mod hygiene;
mod layout;
mod markup;
mod money;
mod occasion;
mod part;
mod settings;
mod sheet;
mod text;
mod values;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use include_dir::{Dir, include_dir};
use jiff::tz::TimeZone;

use self::catalog::{Catalog, Voice};
use self::failure::BRAND_MAX;
pub use self::failure::Error;
pub use self::finding::Finding;
pub use self::guard::Fault;
use self::layout::{Filling, Layout};
pub use self::occasion::Occasion;
use self::part::Part;
pub use self::settings::{Autofill, Mail, Settings, Sms};
use self::sheet::Sheet;
use self::values::Values;
use crate::domain::address::Channel;
use crate::domain::money::{Currency, Money};
use crate::domain::notification::{Content, Kind};
use crate::domain::parcel::Message;
use crate::domain::person::Locale;
use crate::domain::secret::{CODE_MAX, Rendered};

/// The templates as they were when this program was built.
static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// Writes messages from templates that were checked when it was made.
pub struct Renderer {
    catalog: Catalog,
    default_locale: Locale,
    brand: String,
    zone: TimeZone,
    layout: Layout,
    reveal_fraud_reason: bool,
}

impl Renderer {
    /// Reads the texts in the folder of `settings` and makes a renderer of them.
    pub fn load(settings: &Settings) -> Result<Self, Error> {
        Self::of(&sheet::read(&settings.dir)?, settings)
    }

    /// Checks every text, and writes each of them once with the longest values there can be.
    pub fn of(sheets: &[Sheet], settings: &Settings) -> Result<Self, Error> {
        let brand = settings.brand.trim();
        if brand.is_empty() || brand.chars().count() > BRAND_MAX || brand.contains(char::is_control) {
            return Err(Error::Brand);
        }
        let zone = TimeZone::get(&settings.time_zone)
            .map_err(|source| Error::TimeZone { name: settings.time_zone.clone(), source })?;
        fragment::check(sheets)?;
        let renderer = Self {
            catalog: Catalog::of(sheets, &settings.default_locale)?,
            default_locale: settings.default_locale.clone(),
            layout: Layout::of(&settings.mail, brand)?,
            brand: brand.to_owned(),
            zone,
            reveal_fraud_reason: settings.reveal_fraud_reason,
        };
        renderer.rehearse()?;
        Ok(renderer)
    }

    /// The text of `content` for `channel`, in the nearest language to the reader's that there is a text in.
    pub fn render(&self, content: &Content, channel: Channel, occasion: &Occasion<'_>) -> Result<Message, Error> {
        let kind = content.kind();
        let voice = self.catalog.voice(occasion.locale, kind, channel).ok_or_else(|| Error::Missing {
            locale: self.default_locale.clone(),
            files: Part::of(channel).iter().map(|part| format!("{kind}/{}", part.file())).collect(),
        })?;
        let values = self.values(content, channel, voice, occasion);
        let write = |part| write(voice, kind, part, &values);
        Ok(match channel {
            Channel::Sms => Message::Sms { text: write(Part::Sms)? },
            Channel::Push => Message::Push { title: write(Part::PushTitle)?, body: write(Part::PushBody)? },
            Channel::Email => Message::Email {
                subject: write(Part::EmailSubject)?,
                text: write(Part::EmailText)?,
                html: self.page(voice, kind, &values)?,
                locale: voice.locale().clone(),
            },
        })
    }

    /// The zone in which hours are told to whoever said nothing of theirs.
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The locale used where a person's own has no text.
    pub fn default_locale(&self) -> &Locale {
        &self.default_locale
    }

    /// The locales that have texts of their own, in order.
    pub fn locales(&self) -> Vec<&Locale> {
        let mut locales: Vec<_> = self.catalog.voices().map(Voice::locale).collect();
        locales.sort();
        locales
    }

    // The HTML of a mail. All of it is in one language: that of the voice that wrote the subject.
    fn page(&self, voice: &Voice, kind: Kind, values: &Values<'_>) -> Result<Rendered, Error> {
        let spans = |part| voice.text(kind, part).map(|text| text.spans(values));
        let page = self.layout.write(&Filling {
            locale: voice.locale(),
            subject: spans(Part::EmailSubject).unwrap_or_default(),
            text: spans(Part::EmailText).unwrap_or_default(),
            html: spans(Part::EmailHtml),
        });
        within_limit(voice, kind, Part::EmailHtml, page)
    }

    fn rehearse(&self) -> Result<(), Error> {
        for voice in self.catalog.voices() {
            let amount = Currency::parse("KWD").map(|currency| voice.purse.write(Money { minor: u64::MAX, currency }));
            let amount = amount.unwrap_or_default();
            let longest = Values {
                otp: &"0".repeat(CODE_MAX),
                until: "0".repeat(16),
                amount,
                merchant: "W".repeat(hygiene::NAME_MAX),
                brand: &self.brand,
                date: "0".repeat(40),
                name: "W".repeat(hygiene::NAME_MAX),
                card: "0000",
                ..Values::default()
            };
            for (kind, part) in voice.parts() {
                for values in longest.variations(kind) {
                    write(voice, kind, part, &values)?;
                    if part == Part::EmailText {
                        self.page(voice, kind, &values)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn write(voice: &Voice, kind: Kind, part: Part, values: &Values<'_>) -> Result<Rendered, Error> {
    let text = voice.text(kind, part).ok_or_else(|| Error::Missing {
        locale: voice.locale().clone(),
        files: vec![format!("{kind}/{}", part.file())],
    })?;
    within_limit(voice, kind, part, text.write(values))
}

fn within_limit(voice: &Voice, kind: Kind, part: Part, written: Rendered) -> Result<Rendered, Error> {
    if written.reveal().len() > part.output_limit() && written.reveal().chars().count() > part.output_limit() {
        let (locale, limit) = (voice.locale().clone(), part.output_limit());
        return Err(Error::TooLong { locale, kind, part: part.file(), limit });
    }
    Ok(written)
}

/// Writes the shipped templates below `dir`. A file that is already there is left as it is.
pub fn write_shipped(dir: &Path) -> std::io::Result<()> {
    for locale in SHIPPED.dirs().filter(|folder| sheet::locale_of(&folder.path().to_string_lossy()).is_some()) {
        for kind in locale.dirs() {
            std::fs::create_dir_all(dir.join(kind.path()))?;
            for file in kind.files() {
                match OpenOptions::new().write(true).create_new(true).open(dir.join(file.path())) {
                    Ok(mut new) => new.write_all(file.contents())?,
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
