//! `<locale>/dossier.toml`: the words of a dispute dossier. They lie with the templates, so that a language is files only.

use std::path::Path;

use super::file::{entries, locale_of, read_text};
use super::shipped::shipped_file;
use crate::domain::recipient::Locale;
use crate::render::error::Error;
use crate::render::locale_tag::{chain, tag};

/// The file's name in the folder of a locale.
pub const NAME: &str = "dossier.toml";

/// The largest file, in bytes.
const SIZE_MAX: usize = 64 * 1024;

/// The file of `locale` or of a shorter tag, with its locale: from the template folder `dir`, else the shipped one.
pub fn source(dir: &Path, locale: &Locale) -> Result<Option<(Locale, String)>, Error> {
    let folders = entries(dir)?.unwrap_or_default();
    for wanted in chain(&tag(locale)) {
        for folder in &folders {
            let found = folder.file_name().and_then(|name| locale_of(&name.to_string_lossy()));
            let Some(found) = found.filter(|found| tag(found) == wanted) else { continue };
            if let Some(text) = read_text(&folder.join(NAME), SIZE_MAX)? {
                return Ok(Some((found, text)));
            }
        }
        let shipped = shipped_file(&Path::new(wanted).join(NAME));
        if let (Some(text), Ok(found)) = (shipped, Locale::parse(wanted)) {
            return Ok(Some((found, text)));
        }
    }
    Ok(None)
}

/// Whether `path` is the path of such a file.
pub(crate) fn is_at(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == NAME)
}
