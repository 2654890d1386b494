//! The sources of texts as they lie in a folder: `<dir>/<locale>/<kind>/<part>.hbs`.
//!
//! Reads and understands nothing of what it reads. A second place that texts come from gives sheets as this one does.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::failure::Error;
use super::guard::Fault;
use super::part::Part;
use crate::domain::notification::Kind;
use crate::domain::person::Locale;

/// The source of one part of one message in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    pub(super) locale: Locale,
    pub(super) kind: Kind,
    pub(super) part: Part,
    /// Where it lies, to be named when something is wrong with it.
    pub(super) place: PathBuf,
    pub(super) source: String,
}

/// Every sheet below `dir`, in the order of their places.
pub(super) fn read(dir: &Path) -> Result<Vec<Sheet>, Error> {
    let unreadable = |source| Error::Unreadable { file: dir.to_owned(), source };
    let mut sheets = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if let Some(locale) = locale_of(&entry.file_name().to_string_lossy()) {
            read_locale(&entry.path(), &locale, &mut sheets)?;
        }
    }
    sheets.sort_by(|one, other| one.place.cmp(&other.place));
    Ok(sheets)
}

/// The locale that a folder of this name holds. Languages have two or three letters (ISO 639), so that `console`
/// beside them is none.
pub(super) fn locale_of(folder: &str) -> Option<Locale> {
    Locale::parse(folder).ok().filter(|locale| locale.language().len() <= 3)
}

fn read_locale(dir: &Path, locale: &Locale, sheets: &mut Vec<Sheet>) -> Result<(), Error> {
    for kind in Kind::ALL {
        refuse_strangers(&dir.join(kind.name()))?;
        for part in Part::ALL {
            let place = dir.join(kind.name()).join(part.file());
            if let Some(source) = read_file(&place, part)? {
                sheets.push(Sheet { locale: locale.clone(), kind, part, place, source });
            }
        }
    }
    Ok(())
}

// A misspelt file would silently be written in another language.
fn refuse_strangers(dir: &Path) -> Result<(), Error> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(Error::Unreadable { file: dir.to_owned(), source }),
    };
    let files: Vec<_> = Part::ALL.iter().map(|part| part.file()).collect();
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
fn read_file(file: &Path, part: Part) -> Result<Option<String>, Error> {
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
