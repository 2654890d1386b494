//! How locale tags are compared, and which shorter tags a locale falls back to.

use crate::domain::recipient::Locale;

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
