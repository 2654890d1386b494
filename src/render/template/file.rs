//! The sources of texts as they lie in a folder: `<dir>/<locale>/<kind>/<part>.hbs`.
//!
//! Reads and understands nothing of what it reads. A second place that texts come from gives sheets as this one does.

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::part::TemplatePart;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;
use crate::render::error::Error;
use crate::render::validate::diagnostic::Diagnostic;

/// The source of one part of one message in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFile {
    pub(crate) locale: Locale,
    pub(crate) kind: Kind,
    pub(crate) part: TemplatePart,
    /// Where it lies, to be named when something is wrong with it.
    pub(crate) place: PathBuf,
    pub(crate) source: String,
}

/// Everything that a place gives: its sheets, and what lies among them that is called like none.
#[derive(Debug, Clone, Default)]
pub struct TemplateSet {
    pub(crate) all: Vec<TemplateFile>,
    pub(crate) strangers: Vec<UnknownFile>,
}

impl From<Vec<TemplateFile>> for TemplateSet {
    fn from(all: Vec<TemplateFile>) -> Self {
        Self { all, strangers: Vec::new() }
    }
}

impl IntoIterator for TemplateSet {
    type Item = TemplateFile;
    type IntoIter = std::vec::IntoIter<TemplateFile>;
    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}

/// A file among the sheets that is called like none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownFile {
    pub(crate) locale: Locale,
    pub(crate) place: PathBuf,
}

impl UnknownFile {
    /// What is said of it: a misspelt file would silently be written in another language.
    pub(crate) fn finding(&self) -> Diagnostic {
        let known: Vec<_> = TemplatePart::ALL.map(TemplatePart::file).to_vec();
        let what = format!("no part of a message is called so; there are {}: rename or remove it", known.join(", "));
        Diagnostic::about(&self.place, "unknown-file", what)
    }
}

/// Every sheet below `dir`, and what else lies among them, in the order of their places.
pub(crate) fn gather(dir: &Path) -> Result<TemplateSet, Error> {
    let unreadable = |source| Error::Unreadable { file: dir.to_owned(), source };
    let (mut files, mut strangers) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if let Some(locale) = locale_of(&entry.file_name().to_string_lossy()) {
            for kind in Kind::ALL {
                let folder = entry.path().join(kind.name());
                strangers.extend(strangers_in(&folder)?.map(|place| UnknownFile { locale: locale.clone(), place }));
                files.extend(read_kind(&folder, &locale, kind)?);
            }
        }
    }
    files.sort_by(|one, other| one.place.cmp(&other.place));
    strangers.sort_by(|one, other| one.place.cmp(&other.place));
    Ok(TemplateSet { all: files, strangers })
}

/// The sheet in a file anywhere: its last two folders and its name say what it is.
pub(crate) fn read_one(place: &Path) -> Result<TemplateFile, Error> {
    let not_one = || Error::NotASheet { file: place.to_owned() };
    let mut names = place.iter().rev().map(|name| name.to_string_lossy());
    let (file, kind, locale) = (names.next(), names.next(), names.next());
    let part = TemplatePart::ALL.into_iter().find(|part| Some(part.file()) == file.as_deref());
    let part = part.ok_or_else(not_one)?;
    let kind = kind.and_then(|kind| kind.parse().ok()).ok_or_else(not_one)?;
    let locale = locale.and_then(|locale| locale_of(&locale)).ok_or_else(not_one)?;
    let missing = || Error::Unreadable { file: place.to_owned(), source: ErrorKind::NotFound.into() };
    let source = read_file(place, part)?.ok_or_else(missing)?;
    Ok(TemplateFile { locale, kind, part, place: place.to_owned(), source })
}

/// The locale that a folder of this name holds. Languages have two or three letters (ISO 639), so that `console`
/// beside them is none.
pub(crate) fn locale_of(folder: &str) -> Option<Locale> {
    Locale::parse(folder).ok().filter(|locale| locale.language().len() <= 3)
}

/// The sheets in the folder of one kind.
pub(crate) fn read_kind(folder: &Path, locale: &Locale, kind: Kind) -> Result<Vec<TemplateFile>, Error> {
    let mut files = Vec::new();
    for part in TemplatePart::ALL {
        let place = folder.join(part.file());
        if let Some(source) = read_file(&place, part)? {
            files.push(TemplateFile { locale: locale.clone(), kind, part, place, source });
        }
    }
    Ok(files)
}

fn strangers_in(folder: &Path) -> Result<impl Iterator<Item = PathBuf>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => Some(entries),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(source) => return Err(Error::Unreadable { file: folder.to_owned(), source }),
    };
    let is_known = |name: &OsStr| TemplatePart::ALL.into_iter().any(|part| name == part.file());
    let files = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    Ok(files.filter(move |file| {
        file.extension().is_some_and(|kind| kind == "hbs") && !file.file_name().is_some_and(is_known)
    }))
}

// `None` where there is no such file. Of a file that is too large one byte more than allowed is taken into memory, and
// signs that are none become U+FFFD: a text with either is refused by its rule.
fn read_file(file: &Path, part: TemplatePart) -> Result<Option<String>, Error> {
    let unreadable = |source| Error::Unreadable { file: file.to_owned(), source };
    let opened = match fs::File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mut bytes = Vec::new();
    opened.take(part.source_limit() as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
