//! The path of a file in a template set, such as `pl/otp/sms.hbs` or `pl/locale.toml`: what drafts and published texts are
//! named by.

use std::fmt;
use std::path::Path;

use super::file::{TemplateFile, TemplateSet, locale_of};
use super::locale_file;
use super::locale_file::LocaleFile;
use super::part::TemplatePart;
use crate::domain::contact::Channel;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;

/// The path of a file in a template set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplatePath {
    pub locale: Locale,
    /// `None` for a locale file.
    message: Option<(Kind, TemplatePart)>,
}

impl TemplatePath {
    /// Parses a path; `None` when no template can have it.
    pub fn parse(path: &str) -> Option<Self> {
        let mut names = path.split('/');
        let (locale, second, third) = (locale_of(names.next()?)?, names.next()?, names.next());
        let message = match third {
            None => (second == locale_file::NAME).then_some(None)?,
            Some(file) => {
                let part = TemplatePart::ALL.into_iter().find(|part| part.file() == file)?;
                Some((second.parse().ok()?, part))
            }
        };
        names.next().is_none().then_some(Self { locale, message })
    }

    /// The paths of all parts that a message of `kind` on `channel` can have in `locale`.
    pub fn of_message(locale: &Locale, kind: Kind, channel: Channel) -> Vec<Self> {
        let optional = (channel == Channel::Email).then_some(TemplatePart::EmailHtml);
        let parts = TemplatePart::of(channel).iter().copied().chain(optional);
        parts.map(|part| Self { locale: locale.clone(), message: Some((kind, part)) }).collect()
    }

    /// The same file of another locale.
    #[must_use]
    pub fn in_locale(&self, locale: &Locale) -> Self {
        Self { locale: locale.clone(), ..self.clone() }
    }

    /// The kind of notification; `None` for a locale file.
    pub fn kind(&self) -> Option<Kind> {
        self.message.map(|(kind, _)| kind)
    }

    /// The channel; `None` for a locale file.
    pub fn channel(&self) -> Option<Channel> {
        let (_, part) = self.message?;
        Channel::ALL.into_iter().find(|channel| {
            TemplatePart::of(*channel).contains(&part)
                || (*channel == Channel::Email && part == TemplatePart::EmailHtml)
        })
    }

    /// The name of the file.
    pub fn file(&self) -> &'static str {
        self.message.map_or(locale_file::NAME, |(_, part)| part.file())
    }

    /// The largest text, in bytes.
    pub fn size_limit(&self) -> usize {
        self.message.map_or(locale_file::SIZE_MAX, |(_, part)| part.source_limit())
    }
}

impl fmt::Display for TemplatePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message {
            Some((kind, part)) => write!(f, "{}/{kind}/{}", self.locale, part.file()),
            None => write!(f, "{}/{}", self.locale, locale_file::NAME),
        }
    }
}

impl TemplateSet {
    /// The set of these texts, by their paths below `dir`. A path that this version does not know is left out.
    pub fn of_texts<'a>(dir: &Path, texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut set = Self::default();
        for (path, text) in texts {
            if let Some(path) = TemplatePath::parse(path) {
                set.add(dir, &path, text);
            }
        }
        set.sort();
        set
    }

    /// The set with `text` at `path` in place of what is there; without it if there is no text.
    #[must_use]
    pub fn with_text(mut self, dir: &Path, path: &TemplatePath, text: Option<&str>) -> Self {
        match path.message {
            Some(message) => self.templates.retain(|it| it.locale != path.locale || (it.kind, it.part) != message),
            None => self.locales.retain(|it| it.locale != path.locale),
        }
        if let Some(text) = text {
            self.add(dir, path, text);
        }
        self.sort();
        self
    }

    /// The text at `path`.
    pub fn text(&self, path: &TemplatePath) -> Option<&str> {
        match path.message {
            Some(message) => {
                let is_it = |it: &&TemplateFile| it.locale == path.locale && (it.kind, it.part) == message;
                self.templates.iter().find(is_it).map(|it| it.source.as_str())
            }
            None => self.locales.iter().find(|it| it.locale == path.locale).map(|it| it.source.as_str()),
        }
    }

    /// The texts by their paths, such as `pl/otp/sms.hbs`.
    pub fn texts(&self) -> Vec<(String, String)> {
        self.sources().map(|(path, _, _, text)| (path, text.to_owned())).collect()
    }

    fn add(&mut self, dir: &Path, path: &TemplatePath, text: &str) {
        let (locale, file, source) = (path.locale.clone(), dir.join(path.to_string()), text.to_owned());
        match path.message {
            Some((kind, part)) => self.templates.push(TemplateFile { locale, kind, part, path: file, source }),
            None => self.locales.push(LocaleFile { locale, path: file, source }),
        }
    }

    // Files of one locale are together, which compiling relies on.
    fn sort(&mut self) {
        self.templates.sort_by(|one, other| one.path.cmp(&other.path));
        self.locales.sort_by(|one, other| one.path.cmp(&other.path));
    }
}

#[cfg(test)]
mod tests {
    use super::super::shipped::shipped;
    use super::*;

    #[test]
    fn every_shipped_file_has_a_path_that_is_read_back() {
        for (text, ..) in shipped().sources() {
            assert_eq!(TemplatePath::parse(&text).map(|path| path.to_string()), Some(text));
        }
    }

    #[test]
    fn what_is_no_template_has_no_path() {
        for text in ["", "pl", "pl/otp", "pl/otp/sms.txt", "pl/other/sms.hbs", "../otp/sms.hbs", "pl/otp/sms.hbs/x"] {
            assert_eq!(TemplatePath::parse(text), None, "{text}");
        }
        assert_eq!(TemplatePath::parse("console/otp/sms.hbs"), None);
    }

    #[test]
    fn a_text_is_replaced_added_and_removed() {
        let (dir, path) = (Path::new("templates"), TemplatePath::parse("pl/otp/sms.hbs").unwrap());
        let set = TemplateSet::of_texts(dir, [("pl/otp/sms.hbs", "one"), ("pl/locale.toml", "x"), ("other", "y")]);

        let set = set.with_text(dir, &path, Some("two"));
        assert_eq!((set.text(&path), set.texts().len()), (Some("two"), 2));
        let set = set.with_text(dir, &path, None);
        assert_eq!((set.text(&path), set.texts().len()), (None, 1));
        assert_eq!(path.channel(), Some(Channel::Sms));
        assert_eq!(TemplatePath::of_message(&path.locale, Kind::Otp, Channel::Email).len(), 3);
    }
}
