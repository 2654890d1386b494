//! What may not stand in a text that can be read: links elsewhere, words about fraud, signs that nobody sees.
//!
//! Looks at one sheet alone, and at every word that it could write whatever the values are. It opens no file and writes
//! nothing.

mod fraud;
mod links;
mod signs;
mod words;

use super::finding::Finding;
use super::fragment;
use super::guard::Breach;
use super::reader::Reading;
use super::settings::Settings;
use super::sheet::Sheet;
use super::text::Text;

/// The text of a sheet as far as it can be read, and everything that is wrong with it.
pub(super) fn look(sheet: &Sheet, settings: &Settings) -> (Option<Text>, Vec<Finding>) {
    let (text, mut breaches) = match Text::understand(sheet.kind, sheet.part, &sheet.source) {
        Ok(Reading { text, places, mut breaches }) => {
            breaches.extend(told(sheet, settings, &text, &places));
            (Some(text), breaches)
        }
        Err(breaches) => (None, breaches),
    };
    breaches.sort_by_key(|breach| breach.fault.at);
    breaches.dedup();
    (text, breaches.into_iter().map(|breach| Finding::in_file(&sheet.place, breach)).collect())
}

fn told(sheet: &Sheet, settings: &Settings, text: &Text, places: &[usize]) -> Vec<Breach> {
    let at = |offset, rule, what| Breach::behind(&sheet.source, offset, rule, what);
    let mut breaches = Vec::new();
    if let Some(fault) = fragment::fault(&sheet.source).filter(|_| sheet.part.is_html()) {
        breaches.push(Breach { rule: "mail-content", fault });
    }
    for (offset, sign) in signs::hidden(words::fixed(text, places), &sheet.locale) {
        let what = format!("U+{:04X} cannot be seen: take it out, and save the file as UTF-8", u32::from(sign));
        breaches.push(at(offset, "hidden-characters", what));
    }
    let words = words::written(text, places, sheet.part.is_html());
    if let Some(offset) = words.too_many {
        let what = "too many choices inside one word: write blanks between them, or whole words in each";
        breaches.push(at(offset, "nesting", what.to_owned()));
    }
    for word in &words.all {
        breaches.extend(
            links::foreign(word, &settings.link_domains).map(|(offset, what)| at(offset, "foreign-link", what)),
        );
        if let Some(offset) = fraud::told(word) {
            let where_it_may = "say it where (eq reason \"suspected_fraud\") or (eq reason \"fraud_suspected\") holds";
            breaches.push(at(offset, "fraud-told", format!("nobody is told of a suspicion here: {where_it_may}")));
        }
    }
    breaches
}
