//! The words of a delivery's attempts: their texts, and, as long as it is open, how they read. A code is masked.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::cli::{output, template_output};
use crate::domain::chain;
use crate::domain::delivery::DeliveryId;
use crate::domain::preferences::RecipientTimeZone;
use crate::domain::recipient::RecipientId;
use crate::domain::template_version::{TemplateSnapshot, TemplateVersion};
use crate::render::{self, RenderContext};
use crate::store::Store;
use crate::store::reports::DeliveryDetail;

/// The words of one or several attempts.
pub(super) struct AttemptText<'a> {
    words: &'a TemplateSnapshot,
    attempts: Vec<u32>,
    filled: FilledPart,
}

/// How words read with what there was to tell.
enum FilledPart {
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
    known: &'a HashMap<TemplateVersion, TemplateSnapshot>,
) -> anyhow::Result<Vec<AttemptText<'a>>> {
    let mut spoken: Vec<AttemptText<'_>> = Vec::new();
    for attempt in &detail.attempts {
        let Some(words) = attempt.template_version.and_then(|template_version| known.get(&template_version)) else {
            continue;
        };
        if let Some(before) = spoken.iter_mut().find(|before| before.words.template_version == words.template_version) {
            before.attempts.push(attempt.number);
        } else {
            let filled = fill(store, settings, detail, words).await?;
            spoken.push(AttemptText { words, attempts: vec![attempt.number], filled });
        }
    }
    Ok(spoken)
}

async fn fill(
    store: &Store,
    settings: &render::Settings,
    detail: &DeliveryDetail,
    words: &TemplateSnapshot,
) -> anyhow::Result<FilledPart> {
    let Some(content) = store.content(DeliveryId(detail.line.id)).await? else { return Ok(FilledPart::Forgotten) };
    let recipient = match detail.line.recipient {
        Some(id) => store.directory().recipient(RecipientId(id)).await?,
        None => None,
    };
    let zone =
        recipient.as_ref().and_then(|recipient| recipient.preferences.time_zone.as_ref()).map(RecipientTimeZone::rules);
    let context =
        RenderContext { locale: &words.topic.locale, zone, until: detail.line.expires_at, transliterate: None };
    Ok(match render::filled(words, settings, content, &context) {
        Ok(parts) => FilledPart::Parts(parts),
        Err(error) => FilledPart::Refused(chain(&error)),
    })
}

impl AttemptText<'_> {
    /// Prints them for people.
    pub(super) fn print(&self) -> std::io::Result<()> {
        let TemplateSnapshot { template_version, topic, .. } = self.words;
        let attempts: Vec<_> = self.attempts.iter().map(u32::to_string).collect();
        output::line(format_args!("\nwords {}  {topic}  (attempt {})", template_version.short(), attempts.join(", ")))?;
        template_output::print(self.sources())?;
        match &self.filled {
            FilledPart::Parts(parts) => {
                template_output::print(parts.iter().map(|(part, text)| (*part, text.clone())).map(named_as_read))?;
            }
            FilledPart::Forgotten => output::note("the delivery has ended: what it told is not kept"),
            FilledPart::Refused(why) => output::note(format_args!("these words would not be taken any more: {why}")),
        }
        Ok(())
    }

    /// The same for machines.
    pub(super) fn as_json(&self) -> Value {
        let mut whole = template_output::as_json(self.words);
        whole["attempts"] = json!(self.attempts);
        whole["parts"] = self.sources().collect::<HashMap<_, _>>().into_iter().map(pair).collect::<Value>();
        whole["as_read"] = match &self.filled {
            FilledPart::Parts(parts) => parts.iter().map(|(part, text)| pair((*part, text.clone()))).collect(),
            FilledPart::Forgotten | FilledPart::Refused(_) => Value::Null,
        };
        whole
    }

    fn sources(&self) -> impl Iterator<Item = (&str, String)> {
        self.words.parts.iter().map(|(part, source)| {
            let shown = if TemplateSnapshot::is_text(part) { render::without_code(source) } else { source.clone() };
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
