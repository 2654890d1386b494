//! Writes the text of a message: for one channel, in one language, with one person's values.
//!
//! Knows neither people nor providers, keeps nothing it wrote, and never logs. Templates are read and checked when
//! they are loaded; after that, writing opens no file and takes no lock. The code is borrowed from its notification
//! and goes nowhere but into the finished text.

mod autofill;
pub mod bare;
mod budget;
mod catalog;
mod color;
mod coverage;
mod date;
mod failure;
mod fill;
mod finding;
mod fragment;
mod guard;
mod hygiene;
mod layout;
mod library;
mod lint;
mod markup;
mod money;
mod occasion;
mod part;
mod plain;
mod preview;
mod reader;
mod rehearsal;
mod review;
mod rules;
mod settings;
mod sheet;
pub mod sms;
mod source;
mod text;
mod translit;
mod values;
mod wording;

use jiff::tz::TimeZone;

use self::catalog::{Catalog, Voice};
pub use self::coverage::{Column, Coverage, Duty, Speaker};
use self::failure::BRAND_MAX;
pub use self::failure::Error;
pub use self::finding::Finding;
pub use self::guard::Fault;
use self::layout::{Filling, Layout};
pub use self::library::{Draft, Library};
pub use self::occasion::Occasion;
use self::part::Part;
pub use self::preview::{Previews, Sample};
pub use self::review::{coverage, review, review_files, review_folder};
pub use self::rules::{RULES, Rule};
pub use self::settings::{Autofill, Mail, Settings, Sms};
pub use self::sheet::{Sheet, Sheets};
pub use self::source::{Folder, Print, Shipped, Source, write_shipped};
use self::values::Values;
use self::wording::Wordings;
pub use self::wording::{filled, without_code};
use crate::domain::address::Channel;
use crate::domain::notification::{Content, Kind};
use crate::domain::parcel::Message;
use crate::domain::person::Locale;
use crate::domain::secret::Rendered;
use crate::domain::wording::{Wording, Words};

/// Writes messages from templates that were checked when it was made.
pub struct Renderer {
    catalog: Catalog,
    wordings: Wordings,
    default_locale: Locale,
    brand: String,
    zone: TimeZone,
    layout: Layout,
    reveal_fraud_reason: bool,
    sms: Sms,
    autofill: autofill::Lines,
}

/// A message, and what it was written with.
#[derive(Debug)]
pub struct Written {
    /// What goes to a provider.
    pub message: Message,
    /// The name of its words.
    pub wording: Wording,
}

impl Renderer {
    /// Reads the texts in the folder of `settings` and makes a renderer of them.
    pub fn load(settings: &Settings) -> Result<Self, Error> {
        Self::of(&sheet::gather(&settings.dir)?, settings)
    }

    /// Checks every text, and writes each of them with the values that could break it.
    pub fn of(sheets: &Sheets, settings: &Settings) -> Result<Self, Error> {
        Self::unless_refused(Self::examine(sheets, settings)?)
    }

    // One of what is refused would be mended, and then the next be found: all of it is told.
    fn unless_refused((renderer, mut findings): (Self, Vec<Finding>)) -> Result<Self, Error> {
        findings.retain(|finding| finding.refused);
        if findings.is_empty() { Ok(renderer) } else { Err(Error::Refused(findings)) }
    }

    fn with(catalog: Catalog, wordings: Wordings, settings: &Settings) -> Result<Self, Error> {
        let brand = settings.brand.trim();
        if brand.is_empty() || brand.chars().count() > BRAND_MAX || brand.contains(char::is_control) {
            return Err(Error::Brand);
        }
        let zone = TimeZone::get(&settings.time_zone)
            .map_err(|source| Error::TimeZone { name: settings.time_zone.clone(), source })?;
        if settings.sms.max_segments == 0 {
            return Err(Error::Setting { key: "sms.max_segments", expected: "expected 1 or more" });
        }
        Ok(Self {
            catalog,
            wordings,
            default_locale: settings.default_locale.clone(),
            layout: Layout::of(&settings.mail, brand)?,
            brand: brand.to_owned(),
            zone,
            reveal_fraud_reason: settings.reveal_fraud_reason,
            sms: settings.sms.clone(),
            autofill: autofill::Lines::of(&settings.autofill)?,
        })
    }

    /// The text of `content` for `channel`, in the nearest language to the reader's that there is a text in.
    pub fn render(&self, content: &Content, channel: Channel, occasion: &Occasion<'_>) -> Result<Written, Error> {
        let kind = content.kind();
        let missing = || Error::Missing {
            locale: self.default_locale.clone(),
            files: Part::of(channel).iter().map(|part| format!("{kind}/{}", part.file())).collect(),
        };
        let voice = self.catalog.voice(occasion.locale, kind, channel).ok_or_else(missing)?;
        let wording = self.wordings.find(voice.locale(), kind, channel).ok_or_else(missing)?;
        let values = self.values(content, channel, voice, occasion);
        let write = |part| write(voice, kind, part, &values);
        let message = match channel {
            Channel::Sms => Message::Sms { text: self.sms(voice, kind, &values, occasion)? },
            Channel::Push => Message::Push { title: write(Part::PushTitle)?, body: write(Part::PushBody)? },
            Channel::Email => Message::Email {
                subject: write(Part::EmailSubject)?,
                text: write(Part::EmailText)?,
                html: self.page(voice, kind, &values)?,
                locale: voice.locale().clone(),
            },
        };
        Ok(Written { message, wording })
    }

    /// All the words it can write with.
    pub fn words(&self) -> &[Words] {
        self.wordings.all()
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
            right_to_left: voice.right_to_left,
            subject: spans(Part::EmailSubject).unwrap_or_default(),
            text: spans(Part::EmailText).unwrap_or_default(),
            html: spans(Part::EmailHtml),
        });
        within_limit(voice, kind, Part::EmailHtml, page)
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
    if !part.takes(written.reveal()) {
        let (locale, limit) = (voice.locale().clone(), part.output_limit());
        return Err(Error::TooLong { locale, kind, part: part.file(), limit });
    }
    Ok(written)
}

#[cfg(test)]
mod tests;
