//! Why templates cannot be used, or a text could not be written.

use std::path::PathBuf;

use super::guard::Fault;
use crate::domain::notification::Kind;
use crate::domain::person::Locale;

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
