//! What a kind of provider can do: the source of `otpost provider kinds` and of the table in the guide "Providers and routing".
//!
//! It describes the vendor's side. What is configured for one provider is in its settings.

use serde::Serialize;

use crate::domain::contact::Channel;

/// What a kind can do. The texts are parts of sentences in Markdown.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Capabilities {
    /// The field for the time that a message is valid, and its bounds.
    pub validity: &'static str,
    #[serde(flatten)]
    pub repeat: Repeat,
    /// How receipts arrive, and what proves that they are the provider's.
    pub receipts: &'static str,
    pub tested_against: &'static str,
}

/// What becomes of a request that comes twice with the same reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "deduplicates", content = "repeated_request", rename_all = "snake_case")]
pub enum Repeat {
    /// The kind has no field that the provider compares, so `deduplicates` must be false.
    Never(&'static str),
    /// With `deduplicates = true` it is one message.
    ByReference(&'static str),
    /// It depends on the server behind the settings.
    AsConfigured(&'static str),
}

impl Repeat {
    /// What happens, in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Never(text) | Self::ByReference(text) | Self::AsConfigured(text) => text,
        }
    }
}

/// A kind of provider, and what it can do.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct KindReport {
    /// The value of `kind`.
    pub kind: &'static str,
    /// `None` if the settings of a provider say which one.
    pub channel: Option<Channel>,
    #[serde(flatten)]
    pub capabilities: Capabilities,
}

#[cfg(test)]
mod tests {
    use super::super::settings::kinds;
    use super::*;

    fn row(report: &KindReport) -> String {
        let KindReport { kind, channel, capabilities } = report;
        let channel = match channel {
            None => "the one in `channel`",
            Some(Channel::Sms) => "SMS",
            Some(Channel::Push) => "push",
            Some(Channel::Email) => "e-mail",
        };
        let Capabilities { validity, repeat, receipts, tested_against } = capabilities;
        format!("| `{kind}` | {channel} | {validity} | {} | {receipts} | {tested_against} |", repeat.text())
    }

    #[test]
    fn the_guide_shows_what_each_kind_can_do() {
        let guide = include_str!("../docs/providers.md");
        let (_, after) = guide.split_once("## Kinds\n").unwrap();
        let mut shown: Vec<_> = after.lines().take_while(|line| !line.starts_with("## ")).collect();
        shown.retain(|line| line.starts_with("| `"));
        // The sample exists in tests only.
        let mut expected: Vec<_> = kinds().filter(|it| it.kind != "sample").map(|it| row(&it)).collect();
        shown.sort_unstable();
        expected.sort_unstable();
        assert_eq!(shown, expected);
    }
}
