//! Prints template snapshots and rendered messages: each part below its name.
//!
//! The caller masks the code of a rendered message. A template has none.

use serde_json::{Value, json};

use super::output;
use crate::domain::template_version::TemplateSnapshot;

/// Prints the parts, each below its name.
pub(super) fn print<'a>(parts: impl Iterator<Item = (&'a str, String)>) -> std::io::Result<()> {
    for (part, text) in parts {
        output::line(format_args!("--- {part}"))?;
        output::line(text.trim_end_matches('\n'))?;
    }
    Ok(())
}

/// The version and the key of a snapshot as JSON.
pub(super) fn as_json(snapshot: &TemplateSnapshot) -> Value {
    let key = &snapshot.topic;
    json!({
        "template_version": snapshot.template_version.to_string(),
        "locale": key.locale,
        "kind": key.kind.name(),
        "channel": key.channel.name(),
    })
}
