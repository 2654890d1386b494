//! The words of a dossier in one language: `<locale>/dossier.toml`, and English for what is missing there.

use std::collections::BTreeMap;

use toml_edit::{Document, Item, Table};

/// The shipped English words.
const ENGLISH: &str = include_str!("../../templates/en/dossier.toml");

/// Words and sentences by key, such as `label.client`.
#[derive(Debug, Clone)]
pub struct DossierWords {
    tag: String,
    own: BTreeMap<String, String>,
    english: BTreeMap<String, String>,
}

impl DossierWords {
    /// The words in `source`, which is of the language `tag`.
    ///
    /// # Errors
    /// A sentence that names what is wrong.
    pub fn parse(tag: &str, source: &str) -> Result<Self, String> {
        let english = entries(ENGLISH)?;
        let own = entries(source)?;
        if let Some(key) = own.keys().find(|key| !english.contains_key(*key)) {
            return Err(format!("unknown key {key}; the keys are those of the shipped en/dossier.toml"));
        }
        Ok(Self { tag: tag.to_owned(), own, english })
    }

    /// The English words.
    ///
    /// # Errors
    /// As [`DossierWords::parse`].
    pub fn english() -> Result<Self, String> {
        Self::parse("en", ENGLISH)
    }

    /// The tag of the language.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The words that are not taken from English.
    #[cfg(test)]
    pub(super) fn own(&self) -> &BTreeMap<String, String> {
        &self.own
    }

    /// Whether the language is written from right to left.
    pub(super) fn is_rtl(&self) -> bool {
        unicode_bidi::get_base_direction(self.get("title")) == unicode_bidi::Direction::Rtl
    }

    /// The words for `key`; the last part of the key when there are none, as for a name that a later version adds.
    pub(super) fn get<'a>(&'a self, key: &'a str) -> &'a str {
        let known = self.own.get(key).or_else(|| self.english.get(key));
        known.map_or_else(|| key.rsplit('.').next().unwrap_or(key), String::as_str)
    }

    /// The words for `key` with values in place of `{name}`.
    pub(super) fn fill(&self, key: &str, values: &[(&str, &str)]) -> String {
        let mut text = self.get(key).to_owned();
        for (name, value) in values {
            text = text.replace(&format!("{{{name}}}"), &self.isolated(value));
        }
        text
    }

    /// A value in a sentence: isolated, so that a date in Arabic keeps its order (Unicode Standard Annex 9, FSI and PDI).
    pub(super) fn isolated(&self, value: &str) -> String {
        if self.is_rtl() { format!("\u{2068}{value}\u{2069}") } else { value.to_owned() }
    }
}

fn entries(source: &str) -> Result<BTreeMap<String, String>, String> {
    let document = Document::parse(source.trim_start_matches('\u{feff}'));
    let document = document.map_err(|error| format!("not valid TOML: {}", error.to_string().trim()))?;
    let mut found = BTreeMap::new();
    collect("", document.as_table(), &mut found)?;
    Ok(found)
}

fn collect(prefix: &str, table: &Table, found: &mut BTreeMap<String, String>) -> Result<(), String> {
    for (name, item) in table {
        let key = format!("{prefix}{name}");
        match item {
            Item::Table(table) => collect(&format!("{key}."), table, found)?,
            item => {
                let text = item.as_str().ok_or_else(|| format!("{key}: expected a text in quotes"))?;
                found.insert(key, text.to_owned());
            }
        }
    }
    Ok(())
}
