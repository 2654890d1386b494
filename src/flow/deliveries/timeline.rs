//! The history of a delivery: its audit events and attempts in chronological order.

use serde_json::{Map, Value, json};

use super::template_as_json;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Attempt;
use crate::domain::failure_detail::FailureDetail;
use crate::domain::outcome::Outcome;
use crate::domain::template_version::TemplateSnapshot;
use crate::store::KnownTemplates;
use crate::store::reports::{DeliveryDetail, EventLine};

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

    /// Time since the notification was accepted, name and details.
    pub fn row(&self) -> Vec<String> {
        let (name, text) = match &self.item {
            TimelineItem::AuditEvent { actor, kind, detail, .. } => (kind.clone(), event_text(actor, kind, detail)),
            TimelineItem::Attempt(attempt, template) => {
                (format!("attempt {}", attempt.number), attempt_text(attempt, *template))
            }
        };
        vec![self.after(), name, text]
    }

    pub fn as_json(&self) -> Value {
        let (at, offset_us) = (self.at.to_string(), self.at.micros() - self.accepted.micros());
        match &self.item {
            TimelineItem::AuditEvent { seq, actor, kind, detail } => json!({
                "at": at, "offset_us": offset_us, "entry": "event",
                "seq": seq, "actor": actor, "kind": kind, "detail": detail,
            }),
            TimelineItem::Attempt(attempt, template) => json!({
                "at": at, "offset_us": offset_us, "entry": "attempt",
                "number": attempt.number, "channel": attempt.channel, "provider": attempt.provider,
                "contact": attempt.masked_contact, "took_us": attempt.took.as_micros(),
                "outcome": attempt.outcome.name(),
                "cause": attempt.outcome.cause().map(crate::domain::outcome::Cause::name),
                "detail": attempt.detail.as_ref().map(FailureDetail::as_str),
                "reference": reference(&attempt.outcome),
                "failure": attempt.failure.map(crate::domain::receipt::ReceiptStatus::name),
                "segments": attempt.segments,
                "template_version": attempt.template_version.map(|version| version.to_string()),
                "template": template.map(template_as_json),
            }),
        }
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

fn attempt_text(attempt: &Attempt, template: Option<&TemplateSnapshot>) -> String {
    let Attempt { channel, provider, masked_contact, took, outcome, detail, .. } = attempt;
    let cause = outcome.cause().map(|cause| format!(", {cause}")).unwrap_or_default();
    let reference = reference(outcome).map(|reference| format!(", reference {reference}")).unwrap_or_default();
    let took = duration(i64::try_from(took.as_micros()).unwrap_or(i64::MAX));
    let template =
        template.map(|it| format!(", template {} {}", it.template_version.short(), it.key)).unwrap_or_default();
    let failure = attempt.failure.map(|status| format!(", then {status}")).unwrap_or_default();
    let detail = detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!(
        "{channel} {provider} {masked_contact}: {}{cause}{failure}{reference} ({took}){template}{detail}",
        outcome.name()
    )
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
        assert_eq!(entry.row(), ["+2.000 s", "confirmed", "gateway-a, before sent, status delivered"]);
    }

    #[test]
    fn durations_have_a_readable_unit() {
        let texts = [3_400, 12_900, 1_234_567, 125_000_000, 86_400_000_000].map(duration);
        assert_eq!(texts, ["3.4 ms", "12 ms", "1.234 s", "2 min 05 s", "24 h 00 min"]);
        assert_eq!(span(Timestamp::from_micros(0), Timestamp::from_micros(20_000)), "-20 ms");
    }
}
