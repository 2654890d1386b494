//! Words as a command shows them: each part under its name.
//!
//! What is shown of a message has its code masked; a template has none.

use serde_json::{Value, json};

use super::show;
use crate::domain::wording::Words;

/// Prints the parts, each under its name.
pub(super) fn print<'a>(parts: impl Iterator<Item = (&'a str, String)>) -> std::io::Result<()> {
    for (part, text) in parts {
        show::line(format_args!("--- {part}"))?;
        show::line(text.trim_end_matches('\n'))?;
    }
    Ok(())
}

/// Name and topic of words, for machines.
pub(super) fn as_json(words: &Words) -> Value {
    let topic = &words.topic;
    json!({
        "wording": words.wording.to_string(),
        "locale": topic.locale,
        "kind": topic.kind.name(),
        "channel": topic.channel.name(),
    })
}
