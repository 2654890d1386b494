//! Words as a command shows them: each part under its name.
//!
//! What is shown of a message has its code masked; a template has none.

use serde_json::{Value, json};

use super::output;
use crate::domain::template_version::TemplateSnapshot;

/// Prints the parts, each under its name.
pub(super) fn print<'a>(parts: impl Iterator<Item = (&'a str, String)>) -> std::io::Result<()> {
    for (part, text) in parts {
        output::line(format_args!("--- {part}"))?;
        output::line(text.trim_end_matches('\n'))?;
    }
    Ok(())
}

/// Name and topic of words, for machines.
pub(super) fn as_json(words: &TemplateSnapshot) -> Value {
    let topic = &words.topic;
    json!({
        "wording": words.template_version.to_string(),
        "locale": topic.locale,
        "kind": topic.kind.name(),
        "channel": topic.channel.name(),
    })
}
