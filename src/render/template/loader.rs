//! Where texts come from: a folder, or this program as it was built. Another place is one more [`Source`].
//!
//! Sheets are given as they are; whether they can be used is not asked here.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use openssl::sha::Sha256;

use super::file;
use super::file::{TemplateFile, TemplateSet};
use super::part::TemplatePart;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;
use crate::render::error::Error;

/// The templates as they were when this program was built.
static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// `<dir>/<locale>/<kind>/<part>.hbs`: nothing that lies deeper is a text.
const DEPTH: usize = 3;

/// What differs when any text does. Never compared across restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderFingerprint(pub(crate) [u8; 32]);

/// Something that gives texts.
pub trait Source: Send + Sync {
    /// How it looks now, without reading a text: asked for four times a second. It may block.
    fn print(&self) -> FolderFingerprint;
    /// Every text. It may block.
    fn files(&self) -> Result<TemplateSet, Error>;
}

/// A folder with `<locale>/<kind>/<part>.hbs`.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `dir`.
    pub fn at(dir: &Path) -> Self {
        Self(dir.to_owned())
    }
}

impl Source for Folder {
    fn print(&self) -> FolderFingerprint {
        let mut seen = Sha256::new();
        walk(&self.0, DEPTH, &mut seen);
        FolderFingerprint(seen.finish())
    }

    fn files(&self) -> Result<TemplateSet, Error> {
        file::gather(&self.0)
    }
}

/// What this program came with.
#[derive(Debug, Clone, Copy)]
pub struct Shipped;

impl Source for Shipped {
    fn print(&self) -> FolderFingerprint {
        FolderFingerprint([0; 32])
    }

    fn files(&self) -> Result<TemplateSet, Error> {
        let locales = SHIPPED.dirs().filter_map(|folder| file::locale_of(&folder.path().to_string_lossy()));
        Ok(locales.flat_map(|locale| shipped_in(&locale)).collect::<Vec<_>>().into())
    }
}

/// The shipped texts of one locale.
pub(crate) fn shipped_in(locale: &Locale) -> Vec<TemplateFile> {
    let mut files = Vec::new();
    for kind in Kind::ALL {
        for part in TemplatePart::ALL {
            let place = Path::new(locale.as_str()).join(kind.name()).join(part.file());
            if let Some(source) = SHIPPED.get_file(&place).and_then(|file| file.contents_utf8()) {
                files.push(TemplateFile { locale: locale.clone(), kind, part, place, source: source.to_owned() });
            }
        }
    }
    files
}

/// Writes the shipped templates below `dir`. A file that is already there is left as it is.
pub fn write_shipped(dir: &Path) -> std::io::Result<()> {
    for locale in SHIPPED.dirs().filter(|folder| file::locale_of(&folder.path().to_string_lossy()).is_some()) {
        for kind in locale.dirs() {
            fs::create_dir_all(dir.join(kind.path()))?;
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

impl TemplateFile {
    /// The language it is in.
    pub fn locale(&self) -> &Locale {
        &self.locale
    }

    /// What it tells.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it belongs in a folder: `pl/otp/sms.hbs`.
    pub fn path(&self) -> String {
        format!("{}/{}/{}", self.locale, self.kind, self.part.file())
    }

    /// The text itself.
    pub fn source(&self) -> &str {
        &self.source
    }
}

// Links are followed: a mounted configuration turns one link to put all files in place of all others.
fn walk(dir: &Path, depth: usize, seen: &mut Sha256) {
    let Ok(entries) = fs::read_dir(dir) else { return seen.update(b"unreadable") };
    let mut places: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    places.sort();
    for place in places {
        match fs::metadata(&place) {
            Ok(about) if about.is_dir() && depth > 1 => walk(&place, depth - 1, seen),
            Ok(about) if about.is_file() && place.extension().is_some_and(|end| end == "hbs") => {
                note(&place, &about, seen);
            }
            Ok(_) | Err(_) => {}
        }
    }
}

fn note(place: &Path, about: &Metadata, seen: &mut Sha256) {
    let name = place.as_os_str().as_encoded_bytes();
    seen.update(&(name.len() as u64).to_be_bytes());
    seen.update(name);
    for number in [about.dev(), about.ino(), about.len()] {
        seen.update(&number.to_be_bytes());
    }
    for time in [about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec()] {
        seen.update(&time.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_written_replaced_added_or_gone_changes_the_print_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("pl/otp")).unwrap();
        fs::write(path("pl/otp/sms.hbs"), "a").unwrap();
        let source = Folder::at(folder.path());
        let mut prints = vec![source.print()];

        fs::write(path("pl/otp/sms.hbs"), "ab").unwrap();
        prints.push(source.print());
        fs::write(path("draft"), "cd").unwrap();
        assert_eq!(source.print(), *prints.last().unwrap(), "a draft is no text");
        fs::rename(path("draft"), path("pl/otp/sms.hbs")).unwrap();
        prints.push(source.print());
        fs::write(path("pl/otp/push.body.hbs"), "ab").unwrap();
        prints.push(source.print());
        fs::remove_file(path("pl/otp/sms.hbs")).unwrap();
        prints.push(source.print());
        fs::remove_dir_all(folder.path()).unwrap();
        prints.push(source.print());

        for (at, print) in prints.iter().enumerate() {
            assert!(!prints[..at].contains(print), "change {at} was not seen");
        }
    }

    #[test]
    fn what_is_shipped_is_what_a_folder_of_it_gives() {
        let folder = tempfile::tempdir().unwrap();
        write_shipped(folder.path()).unwrap();

        let given = |source: &dyn Source| {
            let mut texts: Vec<_> = source.files().unwrap().into_iter().collect();
            texts.sort_by_key(TemplateFile::path);
            texts.iter().map(|file| (file.path(), file.source().to_owned())).collect::<Vec<_>>()
        };

        assert_eq!(given(&Shipped), given(&Folder::at(folder.path())));
    }
}
