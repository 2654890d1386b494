//! The words that the glossary has replaced. They may come back neither in names nor in messages.

use super::source::Source;

/// A word here is a whole word of a sentence, or a whole part of a name: `door` is neither in `doorstep` nor in `Doors`.
const OLD_WORDS: &[&str] = &[
    "addressee",
    "addressees",
    "beside",
    "breath",
    "desk",
    "desks",
    "door",
    "doors",
    "errand",
    "errands",
    "hindrance",
    "hopeless",
    "house",
    "janitor",
    "journal",
    "lane",
    "lanes",
    "librarian",
    "lexicon",
    "luck",
    "mishap",
    "news",
    "nobody",
    "nobodys",
    "offer",
    "offers",
    "parcel",
    "parcels",
    "people",
    "peoples",
    "person",
    "persons",
    "pledge",
    "purse",
    "ripe",
    "roster",
    "seat",
    "seats",
    "sheet",
    "sheets",
    "somebody",
    "standing",
    "storm",
    "stranger",
    "strangers",
    "timekeeper",
    "told",
    "vouch",
    "weather",
    "whoever",
    "whom",
    "wishes",
    "wording",
    "wordings",
];

/// Where a word has a meaning of its own that is not ours.
const EXCEPTIONS: &[&str] = &[
    // SQLite's and sqlx's
    "journal_mode",
    "journal_size_limit",
    "SqliteJournalMode",
];

/// Files that have to contain old names: one refuses them, the other makes hashes that rows are found by.
const EXEMPT: &[&str] = &["config/renamed.rs", "store/hash_labels.rs"];

pub(super) fn old_words(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !EXEMPT.contains(&source.path.as_str())) {
        for word in source.words.iter().chain(&source.literals).filter(|word| !source.is_test(word.line)) {
            let text = EXCEPTIONS.iter().fold(word.text.clone(), |text, exception| text.replace(exception, ""));
            for old in parts(&text).iter().filter(|part| OLD_WORDS.contains(&part.as_str())) {
                found.push(
                    source.at(word.line, &format!("{old}, in {}", word.text.chars().take(60).collect::<String>())),
                );
            }
        }
    }
    found
}

/// The lower-case parts of a name in snake or camel case, or the words of a text.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut previous = ' ';
    for c in text.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && previous.is_lowercase()) {
            parts.push(String::new());
        }
        if let (true, Some(last)) = (c.is_alphanumeric(), parts.last_mut()) {
            last.extend(c.to_lowercase());
        }
        previous = c;
    }
    parts
}
