//! Pages in other languages: templates of the operator in place of the compiled ones.
//!
//! A language is a folder of `console.languages` that is named by its tag. It has `<name>.hbs` for each template that is
//! translated, and `titles.toml` for titles and the menu. What a language lacks is shown in English.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use handlebars::Handlebars;
use serde_json::Value;
use toml_edit::{Document, Item};

use crate::domain::chain;
use crate::domain::recipient::Locale;
use crate::server::Error;

/// The language of the compiled templates.
pub(super) const ENGLISH: &str = "en";

/// The file with titles and menu.
const TITLES: &str = "titles.toml";

/// Languages are few, and each holds all templates.
const LANGUAGES_MAX: usize = 50;

/// The setting with the folder of all languages.
const KEY: &str = "console.languages";

/// One language.
pub(super) struct Language {
    pub(super) tag: String,
    /// All templates: its own, and the compiled ones in place of those that it lacks.
    registry: Handlebars<'static>,
    own: BTreeSet<String>,
    /// English titles and labels, and what they are called here.
    titles: BTreeMap<String, String>,
}

/// The languages besides English.
#[derive(Default)]
pub(super) struct Languages(Vec<Language>);

impl Languages {
    /// Reads all languages in `folder`. `compiled` has the compiled templates.
    pub(super) fn read(folder: &Path, compiled: &Handlebars<'static>) -> Result<Self, Error> {
        let folders: Vec<_> = entries(folder)?.into_iter().filter(|path| path.is_dir()).collect();
        if folders.len() > LANGUAGES_MAX {
            return Err(Error::file(KEY, folder, format!("has more than {LANGUAGES_MAX} languages")));
        }
        folders.into_iter().map(|path| Language::read(&path, compiled.clone())).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The language for `Accept-Language`: the first preference that is known, by itself or by a shorter tag. Nothing for English.
    pub(super) fn of(&self, preferences: &str) -> Option<&Language> {
        for preferred in ranked(preferences) {
            let Ok(preferred) = Locale::parse(preferred) else { continue };
            for tag in std::iter::successors(Some(preferred), Locale::parent) {
                let found = self.0.iter().find(|language| language.tag.eq_ignore_ascii_case(tag.as_str()));
                if found.is_some() || tag.as_str().eq_ignore_ascii_case(ENGLISH) {
                    return found;
                }
            }
        }
        None
    }
}

impl Language {
    fn read(folder: &Path, registry: Handlebars<'static>) -> Result<Self, Error> {
        let tag = folder.file_name().and_then(|name| Locale::parse(name.to_str()?).ok());
        let expected = "expected a folder that is named by a language tag such as pl or pt-BR";
        let tag = tag.ok_or_else(|| Error::file(KEY, folder, expected))?.to_string();
        let mut language = Self { tag, registry, own: BTreeSet::new(), titles: BTreeMap::new() };
        for path in entries(folder)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name == TITLES {
                language.titles = titles(&text(&path)?).map_err(|what| Error::file(KEY, &path, what))?;
            } else if let Some(name) = name.strip_suffix(".hbs") {
                language.add(name, &path)?;
            }
        }
        Ok(language)
    }

    fn add(&mut self, name: &str, path: &Path) -> Result<(), Error> {
        if !self.registry.has_template(name) {
            return Err(Error::file(KEY, path, "the console has no template of this name"));
        }
        let added = self.registry.register_template_string(name, text(path)?);
        added.map_err(|error| Error::file(KEY, path, chain(&error)))?;
        self.own.insert(name.to_owned());
        Ok(())
    }

    /// The template in this language; nothing if it cannot be rendered, as a translation of an earlier version may not.
    pub(super) fn render(&self, name: &str, data: &Value) -> Option<String> {
        let rendered = self.registry.render(name, data);
        let failed = |error: &handlebars::RenderError| {
            let error = chain(error);
            tracing::warn!(
                error,
                language = self.tag,
                name,
                "a translated page cannot be rendered; it is shown in English"
            );
        };
        rendered.inspect_err(failed).ok()
    }

    /// The language of what is rendered from `name`.
    pub(super) fn tag_of(&self, name: &str) -> &str {
        if self.own.contains(name) { &self.tag } else { ENGLISH }
    }

    /// The title or label of what is written in the language `tag`; in English if it is not translated.
    pub(super) fn title_in<'a>(&'a self, tag: &str, english: &'a str) -> &'a str {
        let own = self.titles.get(english).filter(|_| tag == self.tag);
        own.map_or(english, String::as_str)
    }
}

/// The tags of `Accept-Language` (RFC 9110, 12.5.4), the preferred one first.
fn ranked(header: &str) -> Vec<&str> {
    let mut tags: Vec<(f32, &str)> = Vec::new();
    for part in header.split(',') {
        let (tag, weight) = part.split_once(';').unwrap_or((part, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|text| text.parse().ok());
        tags.extend(
            weight.filter(|weight| *weight > 0.0).map(|weight| (weight, tag.trim())).filter(|it| !it.1.is_empty()),
        );
    }
    tags.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    tags.into_iter().map(|(_, tag)| tag).collect()
}

fn titles(source: &str) -> Result<BTreeMap<String, String>, String> {
    let document = Document::parse(source).map_err(|error| format!("not valid TOML: {}", error.to_string().trim()))?;
    let title = |(english, item): (&str, &Item)| {
        let text = item.as_str().ok_or_else(|| format!("{english}: expected a text in quotes"))?;
        Ok((english.to_owned(), text.to_owned()))
    };
    document.as_table().iter().map(title).collect()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |error: io::Error| Error::file(KEY, folder, chain(&error));
    let entries = fs::read_dir(folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn text(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| Error::file(KEY, path, chain(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_ranked_by_their_weight() {
        assert_eq!(ranked("de;q=0.5, pl-PL , en;q=0.8,*;q=0.1"), ["pl-PL", "en", "de", "*"]);
        assert_eq!(ranked("fr;q=0, ,de;q=x,it ; q=1"), ["it"]);
        assert!(ranked("").is_empty());
    }
}
