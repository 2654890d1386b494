//! The templates that were compiled into this program.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use include_dir::{Dir, File, include_dir};

use super::file::{TemplateFile, TemplateSet, locale_of};
use super::locale_file;
use super::locale_file::LocaleFile;
use super::part::TemplatePart;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// All shipped files.
pub fn shipped() -> TemplateSet {
    let mut set = TemplateSet::default();
    for locale in SHIPPED.dirs().filter_map(|folder| locale_of(&folder.path().to_string_lossy())) {
        let TemplateSet { templates, locales, .. } = shipped_in(&locale);
        set.templates.extend(templates);
        set.locales.extend(locales);
    }
    set
}

/// The shipped files of one locale.
pub(crate) fn shipped_in(locale: &Locale) -> TemplateSet {
    let folder = Path::new(locale.as_str());
    let mut set = TemplateSet::default();
    for kind in Kind::ALL {
        for part in TemplatePart::ALL {
            let path = folder.join(kind.name()).join(part.file());
            if let Some(source) = shipped_file(&path) {
                set.templates.push(TemplateFile { locale: locale.clone(), kind, part, path, source });
            }
        }
    }
    let path = folder.join(locale_file::NAME);
    set.locales.extend(shipped_file(&path).map(|source| LocaleFile { locale: locale.clone(), path, source }));
    set
}

/// The shipped file at `path` in the template folder.
pub(super) fn shipped_file(path: &Path) -> Option<String> {
    SHIPPED.get_file(path).and_then(File::contents_utf8).map(str::to_owned)
}

/// Writes the shipped files below `dir`. An existing file is left as it is.
pub fn write_shipped(dir: &Path) -> std::io::Result<()> {
    for locale in SHIPPED.dirs().filter(|folder| locale_of(&folder.path().to_string_lossy()).is_some()) {
        fs::create_dir_all(dir.join(locale.path()))?;
        for kind in locale.dirs() {
            fs::create_dir_all(dir.join(kind.path()))?;
        }
        for file in locale.files().chain(locale.dirs().flat_map(Dir::files)) {
            match OpenOptions::new().write(true).create_new(true).open(dir.join(file.path())) {
                Ok(mut new) => new.write_all(file.contents())?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_templates_are_the_shipped_ones() {
        let folder = tempfile::tempdir().unwrap();
        write_shipped(folder.path()).unwrap();

        let sources = |set: &TemplateSet| {
            let mut sources: Vec<_> = set.sources().map(|(name, .., source)| (name, source.to_owned())).collect();
            sources.sort();
            sources
        };

        assert_eq!(sources(&shipped()), sources(&TemplateSet::load(folder.path()).unwrap()));
    }
}
