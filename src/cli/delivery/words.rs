//! The words of a delivery's attempts: their texts, and, as long as it is open, how they read. A code is masked.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::cli::{show, words};
use crate::domain::chain;
use crate::domain::delivery::DeliveryId;
use crate::domain::person::PersonId;
use crate::domain::wishes::Zone;
use crate::domain::wording::{Wording, Words};
use crate::render::{self, Occasion};
use crate::store::Store;
use crate::store::reports::DeliveryDetail;

/// The words of one or several attempts.
pub(super) struct Spoken<'a> {
    words: &'a Words,
    attempts: Vec<u32>,
    filled: Filled,
}

/// How words read with what there was to tell.
enum Filled {
    Parts(Vec<(&'static str, String)>),
    /// The delivery has ended, and with it its content.
    Forgotten,
    /// These words would not be taken any more.
    Refused(String),
}

/// The words of all attempts, those of the first one first.
pub(super) async fn of<'a>(
    store: &Store,
    settings: &render::Settings,
    detail: &DeliveryDetail,
    known: &'a HashMap<Wording, Words>,
) -> anyhow::Result<Vec<Spoken<'a>>> {
    let mut spoken: Vec<Spoken<'_>> = Vec::new();
    for attempt in &detail.attempts {
        let Some(words) = attempt.wording.and_then(|wording| known.get(&wording)) else { continue };
        if let Some(before) = spoken.iter_mut().find(|before| before.words.wording == words.wording) {
            before.attempts.push(attempt.number);
        } else {
            let filled = fill(store, settings, detail, words).await?;
            spoken.push(Spoken { words, attempts: vec![attempt.number], filled });
        }
    }
    Ok(spoken)
}

async fn fill(
    store: &Store,
    settings: &render::Settings,
    detail: &DeliveryDetail,
    words: &Words,
) -> anyhow::Result<Filled> {
    let Some(content) = store.content(DeliveryId(detail.line.id)).await? else { return Ok(Filled::Forgotten) };
    let person = match detail.line.person {
        Some(id) => store.directory().person(PersonId(id)).await?,
        None => None,
    };
    let zone = person.as_ref().and_then(|person| person.wishes.time_zone.as_ref()).map(Zone::rules);
    let occasion = Occasion { locale: &words.topic.locale, zone, until: detail.line.expires_at, transliterate: None };
    Ok(match render::filled(words, settings, content, &occasion) {
        Ok(parts) => Filled::Parts(parts),
        Err(error) => Filled::Refused(chain(&error)),
    })
}

impl Spoken<'_> {
    /// Prints them for people.
    pub(super) fn print(&self) -> std::io::Result<()> {
        let Words { wording, topic, .. } = self.words;
        let attempts: Vec<_> = self.attempts.iter().map(u32::to_string).collect();
        show::line(format_args!("\nwords {}  {topic}  (attempt {})", wording.short(), attempts.join(", ")))?;
        words::print(self.sources())?;
        match &self.filled {
            Filled::Parts(parts) => {
                words::print(parts.iter().map(|(part, text)| (*part, text.clone())).map(named_as_read))?;
            }
            Filled::Forgotten => show::note("the delivery has ended: what it told is not kept"),
            Filled::Refused(why) => show::note(format_args!("these words would not be taken any more: {why}")),
        }
        Ok(())
    }

    /// The same for machines.
    pub(super) fn as_json(&self) -> Value {
        let mut whole = words::as_json(self.words);
        whole["attempts"] = json!(self.attempts);
        whole["parts"] = self.sources().collect::<HashMap<_, _>>().into_iter().map(pair).collect::<Value>();
        whole["as_read"] = match &self.filled {
            Filled::Parts(parts) => parts.iter().map(|(part, text)| pair((*part, text.clone()))).collect(),
            Filled::Forgotten | Filled::Refused(_) => Value::Null,
        };
        whole
    }

    fn sources(&self) -> impl Iterator<Item = (&str, String)> {
        self.words.parts.iter().map(|(part, source)| {
            let shown = if Words::is_text(part) { render::without_code(source) } else { source.clone() };
            (part.as_str(), shown)
        })
    }
}

fn named_as_read((part, text): (&'static str, String)) -> (&'static str, String) {
    let name = match part {
        "title" => "title, as it reads",
        "body" => "body, as it reads",
        "subject" => "subject, as it reads",
        "html" => "html, as it reads",
        _ => "text, as it reads",
    };
    (name, text)
}

fn pair((name, text): (&str, String)) -> (String, Value) {
    (name.to_owned(), Value::from(text))
}
