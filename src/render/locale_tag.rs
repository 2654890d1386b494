//! How locale tags are compared, which shorter tags a locale falls back to, and which languages exist.

use icu_locale::{LanguageIdentifier, LocaleCanonicalizer, LocaleExpander, TransformResult};

use crate::domain::recipient::{InvalidLocale, Locale};

/// A text that is not a locale of an existing language. The message does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnknownLocale {
    #[error(transparent)]
    Form(#[from] InvalidLocale),
    #[error("unknown language; write its ISO 639 code, such as cs for Czech, and not a country or a name")]
    Language,
}

/// Reads a locale as it is commonly written, and brings it to its canonical form (RFC 5646, 4.5): `pol` and `pl_pl` become
/// `pl` and `pl-PL`.
///
/// # Errors
/// The text is not a language tag, or its language does not exist.
pub fn canonical(text: &str) -> Result<Locale, UnknownLocale> {
    let tag = text.replace('_', "-");
    let mut locale: icu_locale::Locale = tag.parse().map_err(|_| {
        let has_long_language = Locale::parse(&tag).is_ok_and(|locale| locale.language().len() > 3);
        if has_long_language { UnknownLocale::Language } else { InvalidLocale.into() }
    })?;
    LocaleCanonicalizer::new_extended().canonicalize(&mut locale);
    if !has_known_language(&locale) {
        return Err(UnknownLocale::Language);
    }
    Ok(Locale::parse(&locale.to_string())?)
}

/// Whether the language exists. CLDR knows the likely script and region of every existing language.
pub(crate) fn has_known_language(locale: &icu_locale::Locale) -> bool {
    let mut language = LanguageIdentifier::from(locale.id.language);
    LocaleExpander::new_extended().maximize(&mut language) != TransformResult::Unmodified
}

/// The tag in lower case: `pl-PL` and `pl-pl` are the same locale (RFC 5646, 2.1.1).
pub(crate) fn tag(locale: &Locale) -> String {
    locale.as_str().to_ascii_lowercase()
}

/// The shorter tags of `tag`, the longest first: `zh-hant` and `zh` for `zh-hant-tw` (RFC 4647, 3.4).
pub(crate) fn parents(tag: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(shorter(tag), |tag| shorter(tag))
}

/// The tag itself, then its parents.
pub(crate) fn chain(tag: &str) -> impl Iterator<Item = &str> {
    std::iter::once(tag).chain(parents(tag))
}

// A subtag of one letter only introduces the one after it, so it goes with that one.
fn shorter(tag: &str) -> Option<&str> {
    let (shorter, _) = tag.rsplit_once('-')?;
    match shorter.rsplit_once('-') {
        Some((before, last)) if last.len() == 1 => Some(before),
        _ => Some(shorter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_is_brought_to_its_canonical_form() {
        for (text, expected) in [
            ("pl", "pl"),
            ("PL", "pl"),
            ("pol", "pl"),
            ("pl-pl", "pl-PL"),
            ("pl_PL", "pl-PL"),
            ("ces-cz", "cs-CZ"),
            ("en-UK", "en-GB"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("iw", "he"),
        ] {
            assert_eq!(canonical(text).map(String::from).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_language_that_does_not_exist_is_rejected() {
        for text in ["cz", "polski", "polish", "xx", "cz-CZ", "und", "qqq"] {
            assert_eq!(canonical(text), Err(UnknownLocale::Language), "{text}");
        }
        for text in ["", "p", "pl-", "../pl", "pl PL", "pl-PL.UTF-8", "12"] {
            assert!(matches!(canonical(text), Err(UnknownLocale::Form(_))), "{text}");
        }
    }

    #[test]
    fn every_shipped_locale_is_named_by_its_canonical_form() {
        for file in crate::render::shipped().templates {
            assert_eq!(canonical(file.locale.as_str()).as_ref(), Ok(&file.locale));
        }
    }
}
