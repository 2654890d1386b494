//! Why templates cannot be used, or a message cannot be rendered.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::validate::diagnostic::{Diagnostic, listed};
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;

/// The longest brand, in characters.
pub(super) const BRAND_MAX: usize = 40;

/// Why templates cannot be used, or a message cannot be rendered. No variant holds a value of a message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("templates.brand: must be one line of 1 to {BRAND_MAX} characters")]
    Brand,
    #[error("templates.mail.{key}: {message}")]
    Mail {
        key: &'static str,
        /// What is expected instead.
        message: String,
    },
    #[error("templates.time_zone: {name} is not a time zone such as Europe/Warsaw")]
    TimeZone {
        name: String,
        #[source]
        source: jiff::Error,
    },
    #[error("templates.{key}: {expected}")]
    Setting {
        /// The key below `[templates]`.
        key: &'static str,
        expected: &'static str,
    },
    #[error("no templates for {locale}; locales with templates: {}", known.join(", "))]
    NoTemplates { locale: Locale, known: Vec<String> },
    #[error("{} cannot be read", file.display())]
    Unreadable {
        /// The file or folder.
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("templates.dir: there is no folder {}; otpost init creates one with the shipped templates", dir.display())]
    NoFolder { dir: PathBuf },
    #[error("{} is not a template: expected <locale>/<kind>/<part>.hbs or <locale>/locale.toml", file.display())]
    NotATemplate { file: PathBuf },
    #[error("{}", listed(.0))]
    Rejected(
        /// All errors of all templates.
        Vec<Diagnostic>,
    ),
    /// Neither the recipient's locale nor the default one covers the message.
    #[error("the templates of {locale} are incomplete: {} missing", files.join(", "))]
    Missing {
        /// The default locale.
        locale: Locale,
        /// The missing files, relative to the folder of the locale.
        files: Vec<String>,
    },
    /// A rendered text is longer than its channel accepts.
    #[error("{locale}/{kind}/{part} renders more than {limit} characters")]
    TooLong {
        locale: Locale,
        kind: Kind,
        /// The file.
        part: &'static str,
        limit: usize,
    },
}

impl Error {
    pub(super) fn not_found(file: &Path) -> Self {
        Self::Unreadable { file: file.to_owned(), source: ErrorKind::NotFound.into() }
    }
}
