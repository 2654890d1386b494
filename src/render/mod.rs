//! Writes the text of a message: for one channel, in one language, with one person's values.
//!
//! Knows neither people nor providers, keeps nothing it wrote, and never logs. Templates are read and checked when
//! they are loaded; after that, writing opens no file and takes no lock. The code is borrowed from its notification
//! and goes nowhere but into the finished text.

mod catalog;
mod date;
mod guard;
mod hygiene;
mod money;
mod occasion;
mod part;
mod text;
mod values;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use jiff::tz::TimeZone;
use serde::Deserialize;

use self::catalog::{Catalog, Voice};
pub use self::guard::Fault;
use self::part::Part;
use self::values::Values;
use crate::domain::address::Channel;
use crate::domain::money::{Currency, Money};
use crate::domain::notification::{Content, Holder, Kind, LockReason, TransactionalLockReason, VerificationStatus};
use crate::domain::parcel::Message;
use crate::domain::person::Locale;
use crate::domain::secret::{CODE_MAX, Rendered};
pub use occasion::Occasion;

/// The templates as they were when this program was built.
static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// The longest name a message is signed with, in characters.
const BRAND_MAX: usize = 40;

/// Which texts, for whom.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Folder with `<locale>/<kind>/<part>.hbs`.
    pub dir: PathBuf,
    /// The locale used where a person's own has no text.
    pub default_locale: Locale,
    /// The name that mails and texts are signed with.
    pub brand: String,
    /// The zone in which hours are told, such as `Europe/Warsaw`.
    pub time_zone: String,
    /// Whether a person is told that fraud is suspected; otherwise that lock looks like one without a reason.
    pub reveal_fraud_reason: bool,
}

impl Default for Settings {
    #[expect(clippy::expect_used, reason = "a constant")]
    fn default() -> Self {
        Self {
            dir: PathBuf::from("templates"),
            default_locale: Locale::parse("en").expect("a language tag"),
            brand: "Your bank".into(),
            time_zone: "UTC".into(),
            reveal_fraud_reason: false,
        }
    }
}

/// Why templates cannot be used, or a text could not be written. None of them holds a value of a message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The brand cannot be put into a headline.
    #[error("the brand is one line of 1 to {BRAND_MAX} characters")]
    Brand,
    /// There is no such time zone.
    #[error("{name} is not a time zone such as Europe/Warsaw")]
    TimeZone {
        /// The name in the settings.
        name: String,
        /// What jiff says.
        #[source]
        source: jiff::Error,
    },
    /// A file or folder could not be read.
    #[error("{} cannot be read", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A template file is too large to be one.
    #[error("{} is larger than {limit} bytes", file.display())]
    TooLarge {
        /// Which.
        file: PathBuf,
        /// What would be taken.
        limit: usize,
    },
    /// A template does what templates may not.
    #[error("{}: {fault}", file.display())]
    Refused {
        /// Which.
        file: PathBuf,
        /// Where and what.
        fault: Fault,
    },
    /// A folder is named after a language that nobody knows how to write amounts in.
    #[error("{locale} is not a language whose amounts can be written")]
    Locale {
        /// The folder's name.
        locale: Locale,
        /// What icu says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The default locale has to be complete: it stands in for every other one.
    #[error("the templates of {locale} are not complete: {} missing", files.join(", "))]
    Missing {
        /// The default locale.
        locale: Locale,
        /// The files that are not there, relative to its folder.
        files: Vec<String>,
    },
    /// A finished text is longer than its channel takes.
    #[error("{locale}/{kind}/{part} writes more than {limit} characters")]
    TooLong {
        /// The locale that was written.
        locale: Locale,
        /// The kind of message.
        kind: Kind,
        /// The file.
        part: &'static str,
        /// What would be taken.
        limit: usize,
    },
}

/// Writes messages from templates that were checked when it was made.
pub struct Renderer {
    catalog: Catalog,
    default_locale: Locale,
    brand: String,
    zone: TimeZone,
    reveal_fraud_reason: bool,
}

impl Renderer {
    /// Reads and checks every template, and writes each of them once with the longest values there can be.
    pub fn load(settings: &Settings) -> Result<Self, Error> {
        let brand = settings.brand.trim();
        if brand.is_empty() || brand.chars().count() > BRAND_MAX || brand.contains(char::is_control) {
            return Err(Error::Brand);
        }
        let zone = TimeZone::get(&settings.time_zone)
            .map_err(|source| Error::TimeZone { name: settings.time_zone.clone(), source })?;
        let renderer = Self {
            catalog: Catalog::load(&settings.dir, &settings.default_locale)?,
            default_locale: settings.default_locale.clone(),
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
                html: write(Part::EmailHtml)?,
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

    fn values<'a>(
        &'a self,
        content: &'a Content,
        channel: Channel,
        voice: &Voice,
        occasion: &Occasion<'_>,
    ) -> Values<'a> {
        let values = Values { brand: &self.brand, ..Values::default() };
        let zone = occasion.zone.unwrap_or(&self.zone);
        let date = |at| date::write(at, zone, voice.language());
        match content {
            Content::Otp(otp) => Values {
                otp: otp.code.reveal(),
                until: date::hour(occasion.until, zone, occasion.zone.is_some()),
                amount: amount(otp.money, channel, voice),
                merchant: merchant(&otp.merchant, channel, voice),
                ..values
            },
            Content::CardLocked(lock) => {
                let reason = self.told(lock.reason);
                Values { date: date(lock.at), reason: reason.name(), temporary: reason.is_temporary(), ..values }
            }
            Content::CardUnlocked(unlock) => Values { date: date(unlock.at), ..values },
            Content::Verification(verification) => Values {
                name: for_channel(hygiene::clean(&verification.first_name).unwrap_or_default(), channel),
                reason: match verification.status {
                    VerificationStatus::InProgress | VerificationStatus::Accepted => "",
                    VerificationStatus::Rejected(reason) => reason.name(),
                },
                ..values
            },
            Content::TransactionalLock(lock) => Values {
                date: date(lock.at),
                reason: self.told_of_payments(lock.reason).name(),
                company: lock.holder == Holder::Corporation,
                ..values
            },
            Content::Transaction(payment) => Values {
                amount: amount(payment.money, channel, voice),
                merchant: for_channel(hygiene::clean(&payment.merchant).unwrap_or_default(), channel),
                result: payment.result.name(),
                incoming: payment.incoming,
                card: &payment.last_four,
                ..values
            },
        }
    }

    // Whoever is suspected must not learn it from us, unless the issuer has decided otherwise.
    fn told(&self, reason: LockReason) -> LockReason {
        match reason {
            LockReason::SuspectedFraud if !self.reveal_fraud_reason => LockReason::Other,
            reason => reason,
        }
    }

    fn told_of_payments(&self, reason: TransactionalLockReason) -> TransactionalLockReason {
        match reason {
            TransactionalLockReason::FraudSuspected if !self.reveal_fraud_reason => TransactionalLockReason::Other,
            reason => reason,
        }
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
                }
            }
        }
        Ok(())
    }
}

fn amount(money: Money, channel: Channel, voice: &Voice) -> String {
    match channel {
        Channel::Sms => voice.purse.write_for_sms(money),
        Channel::Push | Channel::Email => voice.purse.write(money),
    }
}

fn merchant(name: &str, channel: Channel, voice: &Voice) -> String {
    for_channel(hygiene::clean(name).unwrap_or_else(|| hygiene::stand_in(voice.language()).to_owned()), channel)
}

// An ellipsis is outside GSM 03.38 and would more than halve the room in an SMS.
fn for_channel(name: String, channel: Channel) -> String {
    if channel == Channel::Sms { name.replace('…', "...") } else { name }
}

fn write(voice: &Voice, kind: Kind, part: Part, values: &Values<'_>) -> Result<Rendered, Error> {
    let text = voice.text(kind, part).ok_or_else(|| Error::Missing {
        locale: voice.locale().clone(),
        files: vec![format!("{kind}/{}", part.file())],
    })?;
    let written = text.write(values);
    if written.reveal().len() > part.output_limit() && written.reveal().chars().count() > part.output_limit() {
        let (locale, limit) = (voice.locale().clone(), part.output_limit());
        return Err(Error::TooLong { locale, kind, part: part.file(), limit });
    }
    Ok(written)
}

/// Writes the shipped templates below `dir`. A file that is already there is left as it is.
pub fn write_shipped(dir: &Path) -> std::io::Result<()> {
    for locale in SHIPPED.dirs().filter(|folder| catalog::locale_of(&folder.path().to_string_lossy()).is_some()) {
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
