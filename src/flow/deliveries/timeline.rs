//! The history of a delivery: its audit events and attempts in chronological order.

pub mod line;

use serde_json::{Map, Value};

use crate::domain::clock::Timestamp;
use crate::domain::delivery::Attempt;
use crate::domain::outcome::Outcome;
use crate::domain::template_version::TemplateSnapshot;
use crate::store::KnownTemplates;
use crate::store::reports::{DeliveryDetail, EventLine};
use line::{AttemptEntry, EventEntry, LineEntry, TemplateName, TimelineLine};

/// Details of an event that its attempt, which has a line of its own, shows already.
const SHOWN_BY_ATTEMPT: [&str; 5] = ["attempt", "channel", "provider", "outcome", "cause"];

/// One line of the timeline.
pub struct TimelineEntry<'a> {
    at: Timestamp,
    accepted: Timestamp,
    item: TimelineItem<'a>,
}

/// What happened.
pub enum TimelineItem<'a> {
    AuditEvent { seq: i64, actor: String, kind: String, detail: Map<String, Value> },
    Attempt(&'a Attempt, Option<&'a TemplateSnapshot>),
}

/// All entries, the oldest first.
pub fn of<'a>(detail: &'a DeliveryDetail, known: &'a KnownTemplates) -> Vec<TimelineEntry<'a>> {
    let accepted = detail.line.received_at;
    let entry = |at, item| TimelineEntry { at, accepted, item };
    let events = detail.events.iter().map(|event| entry(event.at, TimelineItem::of(event)));
    let template = |attempt: &Attempt| attempt.template_version.and_then(|version| known.get(&version));
    let attempts = detail.attempts.iter();
    let attempts = attempts.map(|attempt| entry(attempt.started_at, TimelineItem::Attempt(attempt, template(attempt))));
    let mut entries: Vec<_> = events.chain(attempts).collect();
    entries.sort_by_key(|entry| entry.at);
    entries
}

impl TimelineItem<'_> {
    fn of(event: &EventLine) -> Self {
        let mut detail: Map<String, Value> = serde_json::from_str(&event.detail).unwrap_or_default();
        if detail.contains_key("attempt") {
            detail.retain(|name, _| !SHOWN_BY_ATTEMPT.contains(&name.as_str()));
        }
        Self::AuditEvent { seq: event.seq, actor: event.actor.clone(), kind: event.kind.clone(), detail }
    }
}

impl<'a> TimelineEntry<'a> {
    /// When it happened.
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// The time since the notification was accepted, as in `+12 ms`.
    pub fn after(&self) -> String {
        span(self.at, self.accepted)
    }

    /// What happened.
    pub const fn item(&self) -> &TimelineItem<'a> {
        &self.item
    }

    /// The entry as a document and as a row of a table.
    pub fn line(&self) -> TimelineLine {
        let entry = match &self.item {
            TimelineItem::AuditEvent { seq, actor, kind, detail } => LineEntry::Event(EventEntry {
                seq: *seq,
                actor: actor.clone(),
                kind: kind.clone(),
                detail: detail.clone(),
            }),
            TimelineItem::Attempt(attempt, template) => LineEntry::Attempt(Box::new(attempt_entry(attempt, *template))),
        };
        let offset_us = self.at.micros() - self.accepted.micros();
        TimelineLine { at: self.at.to_string(), offset_us, entry }
    }
}

fn attempt_entry(attempt: &Attempt, template: Option<&TemplateSnapshot>) -> AttemptEntry {
    AttemptEntry {
        number: attempt.number,
        channel: attempt.channel.to_string(),
        provider: attempt.provider.0.clone(),
        contact: attempt.masked_contact.clone(),
        took_us: u64::try_from(attempt.took.as_micros()).unwrap_or(u64::MAX),
        outcome: attempt.outcome.name().to_owned(),
        cause: attempt.outcome.cause().map(|cause| cause.name().to_owned()),
        detail: attempt.detail.as_ref().map(ToString::to_string),
        reference: reference(&attempt.outcome).map(str::to_owned),
        failure: attempt.failure.map(|status| status.name().to_owned()),
        segments: attempt.segments,
        template_version: attempt.template_version.map(|version| version.to_string()),
        template: template.map(TemplateName::from),
    }
}

fn event_text(actor: &str, kind: &str, detail: &Map<String, Value>) -> String {
    let by = actor.strip_prefix("client:").or(actor.strip_prefix("provider:")).unwrap_or(actor);
    let mut parts = vec![by.to_owned()];
    // The event `sent` has the detail `state sent`, which adds nothing.
    let details = detail.iter().filter(|(_, value)| value.as_str() != Some(kind));
    parts.extend(details.map(|(name, value)| {
        let name = name.replace('_', " ");
        match value {
            Value::String(text) => format!("{name} {text}"),
            other => format!("{name} {other}"),
        }
    }));
    parts.join(", ")
}

/// The provider's reference of an accepted message.
pub fn reference(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Accepted { reference } => reference.as_ref().map(crate::domain::outcome::Reference::as_str),
        Outcome::Deferred { .. } | Outcome::Rejected { .. } | Outcome::Unknown { .. } => None,
    }
}

/// The time from `start` to `at`, as in `+12 ms`.
pub fn span(at: Timestamp, start: Timestamp) -> String {
    let micros = at.micros().saturating_sub(start.micros());
    let sign = if micros < 0 { '-' } else { '+' };
    format!("{sign}{}", duration(micros.saturating_abs()))
}

/// A span of so many microseconds, with a readable unit.
pub fn duration(micros: i64) -> String {
    let (ms, s) = (micros / 1_000, micros / 1_000_000);
    match s {
        0 if ms < 10 => format!("{ms}.{} ms", micros % 1_000 / 100),
        0 => format!("{ms} ms"),
        1..60 => format!("{s}.{:03} s", ms % 1_000),
        60..3_600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3_600, s % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_shown_with_its_provider_and_the_state_before() {
        let detail =
            r#"{"attempt":1,"channel":"sms","provider":"gateway-a","before":"sent","status":"delivered"}"#.to_owned();
        let at = Timestamp::from_micros(0);
        let event =
            EventLine { seq: 3, at, actor: "provider:gateway-a".to_owned(), kind: "confirmed".to_owned(), detail };
        let (accepted, at) = (at, at.after(std::time::Duration::from_secs(2)));
        let entry = TimelineEntry { at, accepted, item: TimelineItem::of(&event) };
        assert_eq!(entry.line().row(), ["+2.000 s", "confirmed", "gateway-a, before sent, status delivered"]);
    }

    #[test]
    fn durations_have_a_readable_unit() {
        let texts = [3_400, 12_900, 1_234_567, 125_000_000, 86_400_000_000].map(duration);
        assert_eq!(texts, ["3.4 ms", "12 ms", "1.234 s", "2 min 05 s", "24 h 00 min"]);
        assert_eq!(span(Timestamp::from_micros(0), Timestamp::from_micros(20_000)), "-20 ms");
    }
}
