//! Audit events and attempts of one delivery, merged in order of time.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::cli::template_output;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Attempt;
use crate::domain::outcome::Outcome;
use crate::domain::template_version::{TemplateSnapshot, TemplateVersion};
use crate::store::reports::{DeliveryDetail, EventLine};

/// What an event repeats of the attempt it ended; the attempt has a line of its own.
const TOLD_BY_THE_ATTEMPT: [&str; 5] = ["attempt", "channel", "provider", "outcome", "cause"];

/// One line of the timeline.
pub(super) struct TimelineEntry<'a> {
    at: Timestamp,
    accepted: Timestamp,
    what: TimelineItem<'a>,
}

enum TimelineItem<'a> {
    AuditEvent { seq: i64, actor: String, kind: String, detail: Map<String, Value> },
    Attempt(&'a Attempt, Option<&'a TemplateSnapshot>),
}

/// All that happened, the first thing first.
pub(super) fn of<'a>(
    detail: &'a DeliveryDetail,
    known: &'a HashMap<TemplateVersion, TemplateSnapshot>,
) -> Vec<TimelineEntry<'a>> {
    let accepted = detail.line.received_at;
    let events =
        detail.events.iter().map(|event| TimelineEntry { at: event.at, accepted, what: TimelineItem::of(event) });
    let attempts = detail.attempts.iter().map(|attempt| TimelineEntry {
        at: attempt.started_at,
        accepted,
        what: TimelineItem::Attempt(
            attempt,
            attempt.template_version.and_then(|template_version| known.get(&template_version)),
        ),
    });
    let mut entries: Vec<_> = events.chain(attempts).collect();
    entries.sort_by_key(|entry| entry.at);
    entries
}

impl TimelineItem<'_> {
    fn of(event: &EventLine) -> Self {
        let mut detail: Map<String, Value> = serde_json::from_str(&event.detail).unwrap_or_default();
        if detail.contains_key("attempt") {
            detail.retain(|name, _| !TOLD_BY_THE_ATTEMPT.contains(&name.as_str()));
        }
        Self::AuditEvent { seq: event.seq, actor: event.actor.clone(), kind: event.kind.clone(), detail }
    }
}

impl TimelineEntry<'_> {
    /// Offset, name, and what there is to say.
    pub(super) fn row(&self) -> Vec<String> {
        let (name, said) = match &self.what {
            TimelineItem::AuditEvent { actor, kind, detail, .. } => (kind.clone(), event_text(actor, kind, detail)),
            TimelineItem::Attempt(attempt, words) => {
                (format!("attempt {}", attempt.number), attempt_text(attempt, *words))
            }
        };
        vec![span(self.at, self.accepted), name, said]
    }

    /// The same for machines.
    pub(super) fn as_json(&self) -> Value {
        let (at, offset_us) = (self.at.to_string(), self.at.micros() - self.accepted.micros());
        match &self.what {
            TimelineItem::AuditEvent { seq, actor, kind, detail } => json!({
                "at": at, "offset_us": offset_us, "entry": "event",
                "seq": seq, "actor": actor, "kind": kind, "detail": detail,
            }),
            TimelineItem::Attempt(attempt, words) => json!({
                "at": at, "offset_us": offset_us, "entry": "attempt",
                "number": attempt.number, "channel": attempt.channel, "provider": attempt.provider,
                "address": attempt.address, "took_us": attempt.took.as_micros(),
                "outcome": attempt.outcome.name(),
                "cause": attempt.outcome.cause().map(crate::domain::outcome::Cause::name),
                "reference": reference(&attempt.outcome),
                "wording": attempt.template_version.map(|template_version| template_version.to_string()),
                "words": words.map(template_output::as_json),
            }),
        }
    }
}

fn event_text(actor: &str, kind: &str, detail: &Map<String, Value>) -> String {
    let by = actor.strip_prefix("client:").or(actor.strip_prefix("provider:")).unwrap_or(actor);
    let mut parts = vec![by.to_owned()];
    // "sent, state sent" says it twice.
    let news = detail.iter().filter(|(_, value)| value.as_str() != Some(kind));
    parts.extend(news.map(|(name, value)| match value {
        Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    }));
    parts.join(", ")
}

fn attempt_text(attempt: &Attempt, words: Option<&TemplateSnapshot>) -> String {
    let Attempt { channel, provider, address, took, outcome, .. } = attempt;
    let cause = outcome.cause().map(|cause| format!(", {cause}")).unwrap_or_default();
    let reference = reference(outcome).map(|reference| format!(", reference {reference}")).unwrap_or_default();
    let took = length(i64::try_from(took.as_micros()).unwrap_or(i64::MAX));
    let words = words.map(|it| format!(", words {} {}", it.template_version.short(), it.topic)).unwrap_or_default();
    format!("{channel} {provider} {address}: {}{cause}{reference} ({took}){words}", outcome.name())
}

fn reference(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Accepted { reference } => reference.as_ref().map(crate::domain::outcome::Reference::as_str),
        Outcome::Deferred { .. } | Outcome::Rejected { .. } | Outcome::Unknown { .. } => None,
    }
}

/// How long after `start` something happened: `+12 ms`.
pub(super) fn span(at: Timestamp, start: Timestamp) -> String {
    let micros = at.micros().saturating_sub(start.micros());
    let sign = if micros < 0 { '-' } else { '+' };
    format!("{sign}{}", length(micros.saturating_abs()))
}

fn length(micros: i64) -> String {
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
    fn a_receipt_is_told_with_who_said_it_and_what_was_known_before() {
        let detail = r#"{"attempt":1,"channel":"sms","provider":"desk","before":"sent","says":"delivered"}"#.to_owned();
        let at = Timestamp::from_micros(0);
        let event = EventLine { seq: 3, at, actor: "provider:desk".to_owned(), kind: "confirmed".to_owned(), detail };
        let entry = TimelineEntry {
            at: at.after(std::time::Duration::from_secs(2)),
            accepted: at,
            what: TimelineItem::of(&event),
        };
        assert_eq!(entry.row(), ["+2.000 s", "confirmed", "desk, before sent, says delivered"]);
    }

    #[test]
    fn a_length_is_read_at_a_glance() {
        let said = [3_400, 12_900, 1_234_567, 125_000_000, 86_400_000_000].map(length);
        assert_eq!(said, ["3.4 ms", "12 ms", "1.234 s", "2 min 05 s", "24 h 00 min"]);
        assert_eq!(span(Timestamp::from_micros(0), Timestamp::from_micros(20_000)), "-20 ms");
    }
}
