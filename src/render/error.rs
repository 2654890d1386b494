//! Why templates cannot be used, or a text could not be written.

use std::path::PathBuf;

use super::validate::diagnostic::{Diagnostic, listed};
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;

/// The longest name a message is signed with, in characters.
pub(super) const BRAND_MAX: usize = 40;

/// Why templates cannot be used, or a text could not be written. None of them holds a value of a message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The brand cannot be put into a headline.
    #[error("the brand is one line of 1 to {BRAND_MAX} characters")]
    Brand,
    /// Mails cannot look as the settings ask.
    #[error("templates.mail.{key}: {what}")]
    Mail {
        /// The setting.
        key: &'static str,
        /// What is expected instead.
        what: String,
    },
    /// There is no such time zone.
    #[error("{name} is not a time zone such as Europe/Warsaw")]
    TimeZone {
        /// The name in the settings.
        name: String,
        /// What jiff says.
        #[source]
        source: jiff::Error,
    },
    /// A setting has a value that it cannot have.
    #[error("templates.{key}: {expected}")]
    Setting {
        /// Which, below `[templates]`.
        key: &'static str,
        /// What it could be.
        expected: &'static str,
    },
    /// There is nothing to read in a language.
    #[error("there are no texts in {locale}, only in {}", known.join(", "))]
    NoTexts {
        /// The locale that was asked for.
        locale: Locale,
        /// Those that there are.
        known: Vec<String>,
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
    /// A file is none of a text.
    #[error("{} is no text: it would end in <locale>/<kind>/<part>.hbs", file.display())]
    NotASheet {
        /// Which.
        file: PathBuf,
    },
    /// Texts do what texts may not, or are missing.
    #[error("{}", listed(.0))]
    Refused(
        /// All of it.
        Vec<Diagnostic>,
    ),
    /// There is no text to write, in the reader's language or in the default one.
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
