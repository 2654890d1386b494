//! A line of a timeline as a document, and as a row of a table.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{duration, event_text};
use crate::domain::template_version::TemplateSnapshot;

/// One line of the timeline.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TimelineLine {
    #[schema(format = DateTime)]
    pub at: String,
    /// Microseconds since the notification was accepted.
    pub offset_us: i64,
    #[serde(flatten)]
    pub entry: LineEntry,
}

/// What happened.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum LineEntry {
    Event(EventEntry),
    Attempt(Box<AttemptEntry>),
}

/// An audit event.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventEntry {
    /// Its number in the audit log.
    pub seq: i64,
    pub actor: String,
    pub kind: String,
    /// Ids, names and numbers that explain it.
    #[schema(value_type = Object)]
    pub detail: Map<String, Value>,
}

/// A hand-over to a provider.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AttemptEntry {
    pub number: u32,
    pub channel: String,
    pub provider: String,
    /// Masked.
    pub contact: String,
    pub took_us: u64,
    pub outcome: String,
    pub cause: Option<String>,
    pub detail: Option<String>,
    /// The provider's reference.
    pub reference: Option<String>,
    /// What a receipt reported, when the message was not delivered.
    pub failure: Option<String>,
    pub segments: Option<u32>,
    pub template_version: Option<String>,
    pub template: Option<TemplateName>,
}

/// A template by its version and key.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TemplateName {
    pub template_version: String,
    pub locale: String,
    pub kind: String,
    pub channel: String,
}

/// Hexadecimal digits that suffice to distinguish versions.
const SHORT: usize = 12;

impl From<&TemplateSnapshot> for TemplateName {
    fn from(template: &TemplateSnapshot) -> Self {
        Self {
            template_version: template.template_version.to_string(),
            locale: template.key.locale.to_string(),
            kind: template.key.kind.name().to_owned(),
            channel: template.key.channel.name().to_owned(),
        }
    }
}

impl TemplateName {
    /// The first digits of the version.
    pub fn short(&self) -> &str {
        self.template_version.get(..SHORT).unwrap_or(&self.template_version)
    }

    /// What the template is for: `pl/otp/sms`.
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.locale, self.kind, self.channel)
    }
}

impl TimelineLine {
    /// Time since the notification was accepted, name and details.
    pub fn row(&self) -> Vec<String> {
        let sign = if self.offset_us < 0 { '-' } else { '+' };
        let after = format!("{sign}{}", duration(self.offset_us.saturating_abs()));
        let (name, text) = match &self.entry {
            LineEntry::Event(EventEntry { actor, kind, detail, .. }) => (kind.clone(), event_text(actor, kind, detail)),
            LineEntry::Attempt(attempt) => (format!("attempt {}", attempt.number), attempt_text(attempt)),
        };
        vec![after, name, text]
    }
}

fn attempt_text(attempt: &AttemptEntry) -> String {
    let AttemptEntry { channel, provider, contact, outcome, .. } = attempt;
    let with = |before: &str, text: Option<&String>| text.map(|text| format!("{before}{text}")).unwrap_or_default();
    let (cause, failure) = (with(", ", attempt.cause.as_ref()), with(", then ", attempt.failure.as_ref()));
    let (reference, detail) = (with(", reference ", attempt.reference.as_ref()), with(": ", attempt.detail.as_ref()));
    let took = duration(i64::try_from(attempt.took_us).unwrap_or(i64::MAX));
    let template = attempt.template.as_ref();
    let template = template.map(|it| format!(", template {} {}", it.short(), it.key())).unwrap_or_default();
    format!("{channel} {provider} {contact}: {outcome}{cause}{failure}{reference} ({took}){template}{detail}")
}
