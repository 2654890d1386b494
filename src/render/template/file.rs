//! The files of a template folder: `<dir>/<locale>/<kind>/<part>.hbs` and `<dir>/<locale>/locale.toml`.
//!
//! Loads sources and parses none of them.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::dossier_file;
use super::locale_file;
use super::locale_file::LocaleFile;
use super::part::TemplatePart;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;
use crate::render::error::Error;
use crate::render::validate::diagnostic::Diagnostic;

/// The levels of a template folder: files that lie deeper are not templates.
pub(crate) const DEPTH: usize = 3;

/// The source of one part of one message in one locale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFile {
    pub(crate) locale: Locale,
    pub(crate) kind: Kind,
    pub(crate) part: TemplatePart,
    /// The path that diagnostics name.
    pub(crate) path: PathBuf,
    pub(crate) source: String,
}

/// All files of a template folder.
#[derive(Debug, Clone, Default)]
pub struct TemplateSet {
    pub(crate) templates: Vec<TemplateFile>,
    pub(crate) locales: Vec<LocaleFile>,
    pub(crate) unknown: Vec<UnknownFile>,
}

/// A file whose name is that of no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownFile {
    pub(crate) locale: Locale,
    pub(crate) path: PathBuf,
}

impl TemplateFile {
    pub fn locale(&self) -> &Locale {
        &self.locale
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The path in a template folder: `pl/otp/sms.hbs`.
    pub fn name(&self) -> String {
        format!("{}/{}/{}", self.locale, self.kind, self.part.file())
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// Loads a file that may lie anywhere: its last two folders and its name are locale, kind and part.
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let not_one = || Error::NotATemplate { file: path.to_owned() };
        let mut names = path.iter().rev().map(|name| name.to_string_lossy());
        let (file, kind, locale) = (names.next(), names.next(), names.next());
        let part = TemplatePart::ALL.into_iter().find(|part| Some(part.file()) == file.as_deref());
        let part = part.ok_or_else(not_one)?;
        let kind = kind.and_then(|kind| kind.parse().ok()).ok_or_else(not_one)?;
        let locale = locale.and_then(|locale| locale_of(&locale)).ok_or_else(not_one)?;
        let source = read_text(path, part.source_limit())?.ok_or_else(|| Error::not_found(path))?;
        Ok(Self { locale, kind, part, path: path.to_owned(), source })
    }
}

impl TemplateSet {
    /// Loads every file of the folder `dir`, in the order of the paths.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let mut set = Self::default();
        for entry in entries(dir)?.ok_or_else(|| Error::NoFolder { dir: dir.to_owned() })? {
            if let Some(locale) = locale_of(&entry.file_name().unwrap_or_default().to_string_lossy()) {
                set.add_locale(&entry, &locale)?;
            }
        }
        set.templates.sort_by(|one, other| one.path.cmp(&other.path));
        set.unknown.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(set)
    }

    fn add_locale(&mut self, folder: &Path, locale: &Locale) -> Result<(), Error> {
        self.locales.extend(load_locale_file(folder, locale)?);
        let is_known = |path: &Path| LocaleFile::is_at(path) || dossier_file::is_at(path);
        self.unknown
            .extend(files_in(folder, "toml", is_known)?.map(|path| UnknownFile { locale: locale.clone(), path }));
        for kind in Kind::ALL {
            let folder = folder.join(kind.name());
            let is_known = |path: &Path| TemplatePart::ALL.into_iter().any(|part| path.ends_with(part.file()));
            self.unknown
                .extend(files_in(&folder, "hbs", is_known)?.map(|path| UnknownFile { locale: locale.clone(), path }));
            self.templates.extend(load_kind(&folder, locale, kind)?);
        }
        Ok(())
    }

    /// Adds `file` in place of the template with the same name.
    pub(crate) fn replace(&mut self, file: TemplateFile) {
        self.templates.retain(|old| (&old.locale, old.kind, old.part) != (&file.locale, file.kind, file.part));
        self.templates.push(file);
    }

    /// Adds `file` in place of the locale file with the same name.
    pub(crate) fn replace_locale(&mut self, file: LocaleFile) {
        self.locales.retain(|old| old.locale != file.locale);
        self.locales.push(file);
    }

    /// The files of the locales that `is_wanted` accepts.
    pub(crate) fn filtered(&self, is_wanted: impl Fn(&Locale) -> bool) -> Self {
        Self {
            templates: self.templates.iter().filter(|file| is_wanted(&file.locale)).cloned().collect(),
            locales: self.locales.iter().filter(|file| is_wanted(&file.locale)).cloned().collect(),
            unknown: self.unknown.iter().filter(|file| is_wanted(&file.locale)).cloned().collect(),
        }
    }

    /// The sources by their paths in a template folder, such as `pl/otp/sms.hbs`, with locale and kind. A locale file has
    /// no kind.
    pub fn sources(&self) -> impl Iterator<Item = (String, &Locale, Option<Kind>, &str)> {
        let templates =
            self.templates.iter().map(|file| (file.name(), &file.locale, Some(file.kind), file.source.as_str()));
        templates.chain(self.locales.iter().map(|file| (file.name(), &file.locale, None, file.source.as_str())))
    }
}

impl UnknownFile {
    /// Without the diagnostic, a misspelt name would silently make the message fall back to another locale.
    pub(crate) fn diagnostic(&self) -> Diagnostic {
        let known: Vec<_> = TemplatePart::ALL.map(TemplatePart::file).to_vec();
        let known = if self.path.extension().is_some_and(|end| end == "toml") {
            format!("{}, {}", locale_file::NAME, dossier_file::NAME)
        } else {
            known.join(", ")
        };
        Diagnostic::about(
            &self.path,
            "unknown-file",
            format!("unknown file name; known names: {known}: rename or remove it"),
        )
    }
}

/// Whether a change of the file at `path` is a change of a template folder.
pub(crate) fn is_template_or_locale_file(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "hbs") || LocaleFile::is_at(path)
}

/// The locale that a folder of this name holds. Languages have two or three letters (ISO 639), so `console` is not one.
pub(crate) fn locale_of(folder: &str) -> Option<Locale> {
    Locale::parse(folder).ok().filter(|locale| locale.language().len() <= 3)
}

/// Loads the templates in the folder of one kind.
pub(crate) fn load_kind(folder: &Path, locale: &Locale, kind: Kind) -> Result<Vec<TemplateFile>, Error> {
    let mut files = Vec::new();
    for part in TemplatePart::ALL {
        let path = folder.join(part.file());
        if let Some(source) = read_text(&path, part.source_limit())? {
            files.push(TemplateFile { locale: locale.clone(), kind, part, path, source });
        }
    }
    Ok(files)
}

/// Loads the locale file in the folder of a locale.
pub(crate) fn load_locale_file(folder: &Path, locale: &Locale) -> Result<Option<LocaleFile>, Error> {
    let path = folder.join(locale_file::NAME);
    let source = read_text(&path, locale_file::SIZE_MAX)?;
    Ok(source.map(|source| LocaleFile { locale: locale.clone(), path, source }))
}

/// The paths in the folder `dir`; `None` when there is no such folder.
pub(crate) fn entries(dir: &Path) -> Result<Option<Vec<PathBuf>>, Error> {
    let unreadable = |source| Error::Unreadable { file: dir.to_owned(), source };
    match fs::read_dir(dir) {
        Ok(entries) => {
            entries.map(|entry| entry.map(|entry| entry.path()).map_err(unreadable)).collect::<Result<_, _>>().map(Some)
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(unreadable(source)),
    }
}

fn files_in(
    folder: &Path,
    extension: &'static str,
    is_known: impl Fn(&Path) -> bool,
) -> Result<impl Iterator<Item = PathBuf>, Error> {
    let paths = entries(folder)?.unwrap_or_default();
    Ok(paths.into_iter().filter(move |path| path.extension().is_some_and(|end| end == extension) && !is_known(path)))
}

/// The text of a file; `None` when there is no such file. One byte more than `limit` is loaded, and invalid UTF-8 becomes
/// U+FFFD: the rules on size and on hidden characters reject both.
pub(crate) fn read_text(file: &Path, limit: usize) -> Result<Option<String>, Error> {
    let unreadable = |source| Error::Unreadable { file: file.to_owned(), source };
    let opened = match fs::File::open(file) {
        Ok(opened) => opened,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mut bytes = Vec::new();
    opened.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
