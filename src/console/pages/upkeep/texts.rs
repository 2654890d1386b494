//! Templates: what is old, what is missing, and what the files say otherwise.

use std::collections::BTreeMap;

use actix_web::web::{self, Data};

use super::{UpkeepRow, UpkeepTopic};
use crate::console::Console;
use crate::console::pages::PageError;
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::domain::recipient::Locale;
use crate::domain::template_version::TemplateActivation;
use crate::pki::expiry::days_left;
use crate::render::{self, TemplatePath, TemplateSet};

/// Days after which a text should be read again.
const REVIEW_DAYS: i64 = 365;

/// Paths that a row names; the rest is counted.
const NAMED_MAX: usize = 3;

pub(super) async fn rows(console: &Data<Console>) -> Result<Vec<UpkeepRow>, PageError> {
    let last = console.store.template_versions().last_activations().await?;
    let mut rows = old(&last, console.clocks.wall.now());
    let live = console.templates.live_set();
    let coverage = render::coverage_of(&live, console.templates.settings());
    for locale in coverage.locales() {
        let missing: Vec<_> =
            coverage.missing(locale).iter().map(|(kind, channel)| format!("{kind} {channel}")).collect();
        if !missing.is_empty() {
            let row = UpkeepRow::due(UpkeepTopic::MissingTexts, locale.locale.to_string(), named("lacks", &missing));
            rows.push(row.at("/templates"));
        }
    }
    if console.templates.is_source() {
        rows.extend(differing_files(console).await?);
    }
    Ok(rows)
}

/// A row for each locale with messages whose texts were activated too long ago.
fn old(activations: &[TemplateActivation], now: Timestamp) -> Vec<UpkeepRow> {
    let is_old = |it: &&TemplateActivation| it.template_version.is_some() && days_left(it.at, now) < -REVIEW_DAYS;
    let mut by_locale: BTreeMap<&Locale, Vec<&TemplateActivation>> = BTreeMap::new();
    for activation in activations.iter().filter(is_old) {
        by_locale.entry(&activation.key.locale).or_default().push(activation);
    }
    let row = |(locale, old): (&Locale, Vec<&TemplateActivation>)| {
        let names: Vec<_> = old.iter().map(|it| format!("{} {}", it.key.kind, it.key.channel)).collect();
        let row = UpkeepRow::due(UpkeepTopic::OldTexts, locale.to_string(), named("unchanged:", &names));
        UpkeepRow { end: old.iter().map(|it| it.at).min(), ..row.at("/templates") }
    };
    by_locale.into_iter().map(row).collect()
}

async fn differing_files(console: &Data<Console>) -> Result<Option<UpkeepRow>, PageError> {
    let (dir, live) = (console.templates.settings().dir.clone(), console.templates.live_set());
    let compared = web::block(move || TemplateSet::load(&dir).map(|files| differences(&files, &live))).await;
    let compared = compared.map_err(|_| PageError::Conflict("the gateway is stopping".to_owned()))?;
    let (topic, name) = (UpkeepTopic::TextsOfFiles, "Files of the template folder");
    Ok(match compared {
        Ok(paths) if paths.is_empty() => Some(UpkeepRow::fine(topic, name, "are the live texts")),
        Ok(paths) => Some(UpkeepRow::due(topic, name, named("differ:", &paths)).at("/templates")),
        // The folder is not needed once its texts are in the database.
        Err(error) => Some(UpkeepRow::fine(topic, name, format!("cannot be read: {}", chain(&error)))),
    })
}

fn differences(files: &TemplateSet, live: &TemplateSet) -> Vec<String> {
    let (files, live): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (files.texts().into_iter().collect(), live.texts().into_iter().collect());
    let mut paths: Vec<_> =
        files.keys().chain(live.keys()).filter(|path| files.get(*path) != live.get(*path)).cloned().collect();
    paths.sort();
    paths.dedup();
    paths.retain(|path| TemplatePath::parse(path).is_some());
    paths
}

fn named(verb: &str, names: &[String]) -> String {
    let shown = names.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => format!("{verb} {shown}"),
        more => format!("{verb} {shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::domain::contact::Channel;
    use crate::domain::notification::Kind;
    use crate::domain::template_version::{TemplateKey, TemplateVersion};

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    #[test]
    fn texts_are_old_after_a_year_and_removed_ones_never() {
        let activation = |locale: &str, days: u64, is_live: bool| TemplateActivation {
            seq: 1,
            at: NOW.before(Duration::from_hours(24) * u32::try_from(days).unwrap()),
            key: TemplateKey { locale: Locale::parse(locale).unwrap(), kind: Kind::Otp, channel: Channel::Sms },
            template_version: is_live.then_some(TemplateVersion([1; 32])),
        };
        let found = old(&[activation("pl", 364, true), activation("en", 367, true), activation("de", 900, false)], NOW);

        let shown: Vec<_> = found.iter().map(|row| (row.name.as_str(), row.state.as_str(), row.is_due())).collect();
        assert_eq!(shown, [("en", "unchanged: otp sms", true)]);
    }

    #[test]
    fn a_file_that_is_changed_removed_or_new_differs() {
        let dir = Path::new("templates");
        let live = TemplateSet::of_texts(dir, [("pl/otp/sms.hbs", "a"), ("en/otp/sms.hbs", "b")]);
        let files = TemplateSet::of_texts(dir, [("pl/otp/sms.hbs", "a2"), ("de/otp/sms.hbs", "c")]);

        let paths = differences(&files, &live);

        assert_eq!(paths, ["de/otp/sms.hbs", "en/otp/sms.hbs", "pl/otp/sms.hbs"]);
        assert_eq!(named("differ:", &paths), "differ: de/otp/sms.hbs, en/otp/sms.hbs, pl/otp/sms.hbs");
        assert_eq!(differences(&live, &live), [""; 0]);
    }
}
