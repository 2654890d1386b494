//! `<locale>/locale.toml`: what a locale needs besides its templates.
//!
//! A locale without the file uses that of a shorter tag: `pl` for `pl-PL`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use toml_edit::{Array, Document, DocumentMut, Item, Key};

use super::file::{locale_of, read_text};
use crate::domain::recipient::Locale;
use crate::render::error::Error;
use crate::render::format::merchant_name;
use crate::render::locale_tag::{chain, tag};
use crate::render::validate::diagnostic::{Diagnostic, Violation};

/// The file's name in the folder of a locale.
pub(crate) const NAME: &str = "locale.toml";

/// The rule that every locale file follows.
const RULE: &str = "locale-file";

/// The largest file, in bytes.
pub(crate) const SIZE_MAX: usize = 4 * 1024;

/// A shorter part of a word would be found in too many others.
const FRAUD_WORD_MIN: usize = 3;

const KEYS: [&str; 2] = ["merchant", "fraud_words"];

/// The source of a locale file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocaleFile {
    pub(crate) locale: Locale,
    pub(crate) path: PathBuf,
    pub(crate) source: String,
}

/// The values of one locale file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocaleSettings {
    /// Stands for a merchant without a usable name.
    pub(crate) merchant: String,
    /// Parts of words about fraud.
    pub(crate) fraud_words: Vec<String>,
}

/// The settings of every locale that has a locale file.
#[derive(Debug, Default)]
pub(crate) struct LocaleSettingsIndex(HashMap<String, LocaleSettings>);

impl LocaleFile {
    /// Loads a file that may lie anywhere: the name of its folder is the locale.
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let locale = folder.and_then(|folder| locale_of(&folder));
        let locale = locale.ok_or_else(|| Error::NotATemplate { file: path.to_owned() })?;
        let source = read_text(path, SIZE_MAX)?.ok_or_else(|| Error::not_found(path))?;
        Ok(Self { locale, path: path.to_owned(), source })
    }

    /// A file with this merchant and no words about fraud.
    pub(crate) fn of(locale: &Locale, merchant: &str) -> Self {
        let mut document = DocumentMut::new();
        document["merchant"] = toml_edit::value(merchant);
        document["fraud_words"] = toml_edit::value(Array::new());
        Self { locale: locale.clone(), path: NAME.into(), source: document.to_string() }
    }

    /// Whether `path` is the path of a locale file.
    pub(crate) fn is_at(path: &Path) -> bool {
        path.file_name().is_some_and(|name| name == NAME)
    }

    pub fn locale(&self) -> &Locale {
        &self.locale
    }

    /// The path in a template folder: `pl/locale.toml`.
    pub fn name(&self) -> String {
        format!("{}/{NAME}", self.locale)
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    fn parse(&self) -> Result<LocaleSettings, Vec<Violation>> {
        if self.source.len() > SIZE_MAX {
            let (end, message) =
                (self.source.floor_char_boundary(SIZE_MAX), format!("larger than {SIZE_MAX} bytes: shorten it"));
            return Err(vec![Violation::at(&self.source, end, "size", message)]);
        }
        let source = self.source.trim_start_matches('\u{feff}');
        let document = Document::parse(source).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            vec![Violation::at(source, offset, RULE, format!("not valid TOML: {}", error.message()))]
        })?;
        let mut violations = Vec::new();
        for (key, _) in document.as_table().iter().filter(|(key, _)| !KEYS.contains(key)) {
            let offset = document.key(key).and_then(Key::span).map_or(0, |span| span.start);
            let message = format!("unknown key {key}; known keys: {}", KEYS.join(", "));
            violations.push(Violation::at(source, offset, RULE, message));
        }
        let mut reject = |item: Option<&Item>, key: &str, expected: &str| {
            let offset = item.and_then(Item::span).map_or(0, |span| span.start);
            violations.push(Violation::at(source, offset, RULE, format!("{key}: {expected}")));
        };
        let merchant = document.get("merchant");
        let name = merchant.and_then(Item::as_str).unwrap_or_default();
        if merchant_name::clean(name).as_deref() != Some(name) {
            reject(merchant, "merchant", "must be one line of 1 to 40 characters without links or long numbers");
        }
        let words = document.get("fraud_words");
        let fraud_words = words.and_then(fraud_words);
        if fraud_words.is_none() {
            reject(words, "fraud_words", "must be a list of single words of 3 letters or more; [] for none");
        }
        if violations.is_empty() {
            Ok(LocaleSettings { merchant: name.to_owned(), fraud_words: fraud_words.unwrap_or_default() })
        } else {
            Err(violations)
        }
    }
}

fn fraud_words(item: &Item) -> Option<Vec<String>> {
    let words = item.as_array()?.iter().map(|word| word.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()?;
    let is_word = |word: &String| word.chars().count() >= FRAUD_WORD_MIN && word.chars().all(char::is_alphabetic);
    words.iter().all(is_word).then_some(words)
}

impl LocaleSettingsIndex {
    /// Parses all locale files, and reports everything that is wrong with them.
    pub(crate) fn parse(files: &[LocaleFile]) -> (Self, Vec<Diagnostic>) {
        let (mut index, mut diagnostics) = (HashMap::new(), Vec::new());
        for file in files {
            match file.parse() {
                Ok(settings) => {
                    index.insert(tag(&file.locale), settings);
                }
                Err(violations) => {
                    diagnostics.extend(violations.into_iter().map(|it| Diagnostic::in_file(&file.path, it)));
                }
            }
        }
        (Self(index), diagnostics)
    }

    /// What `locale` writes for a merchant without a usable name: its own value or that of a shorter tag.
    pub(crate) fn merchant(&self, locale: &Locale) -> Option<&str> {
        chain(&tag(locale)).find_map(|tag| self.0.get(tag)).map(|settings| settings.merchant.as_str())
    }

    /// The words of all locales. They apply to every template, because one may quote another language.
    pub(crate) fn fraud_words(&self) -> impl Iterator<Item = &str> {
        self.0.values().flat_map(|settings| &settings.fraud_words).map(String::as_str)
    }
}
