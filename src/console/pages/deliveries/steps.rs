//! The history of a delivery in plain words: what happened, what was decided and why.

use serde::Serialize;
use serde_json::{Map, Value};

use super::explanations;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, EndReason};
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::template_version::TemplateSnapshot;
use crate::flow::deliveries::timeline::{TimelineEntry, TimelineItem, duration, reference};
use crate::store::REMOVED;

/// One step of the history.
#[derive(Serialize)]
pub(super) struct HistoryStep {
    at: Timestamp,
    after: String,
    /// `ok`, `warn`, `bad` or nothing.
    tone: &'static str,
    title: String,
    text: String,
    template: Option<StepTemplate>,
    /// What else is recorded.
    facts: Vec<(String, String)>,
}

#[derive(Serialize)]
struct StepTemplate {
    version: String,
    key: String,
}

pub(super) fn of(entries: &[TimelineEntry<'_>]) -> Vec<HistoryStep> {
    entries.iter().map(step).collect()
}

fn step(entry: &TimelineEntry<'_>) -> HistoryStep {
    let (at, after) = (entry.at(), entry.after());
    match entry.item() {
        TimelineItem::AuditEvent { seq, actor, kind, detail } => {
            let text = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or_default();
            let (tone, title, text) = event(kind, actor, text);
            let mut facts = vec![("audit event".to_owned(), format!("{seq}, {kind}, by {actor}"))];
            facts.extend(facts_of(detail));
            HistoryStep { at, after, tone, title, text, template: None, facts }
        }
        TimelineItem::Attempt(attempt, template) => {
            let (tone, text) = outcome(attempt);
            let contact = if attempt.masked_contact == REMOVED {
                "a contact that is no longer kept"
            } else {
                &attempt.masked_contact
            };
            let title =
                format!("Attempt {}: {} through {} to {contact}", attempt.number, channel(attempt), attempt.provider);
            let template = template.map(|it: &TemplateSnapshot| StepTemplate {
                version: it.template_version.to_string(),
                key: it.key.to_string(),
            });
            HistoryStep { at, after, tone, title, text, template, facts: attempt_facts(attempt) }
        }
    }
}

fn event<'a>(kind: &str, actor: &str, detail: impl Fn(&str) -> &'a str) -> (&'static str, String, String) {
    let by = actor.split_once(':').map_or(actor, |(_, name)| name);
    let reason = || EndReason::from_name(detail("reason")).map(explanations::of_reason).unwrap_or_default().to_owned();
    let plain = |title: &str| ("", title.to_owned(), String::new());
    match kind {
        "accepted" => ("", format!("Accepted from {by}"), String::new()),
        "split" => plain("Split into one delivery for each recipient or channel"),
        "claimed" => plain("Taken up again"),
        "attempted" => plain("Goes on at once with the next candidate"),
        "postponed" => ("warn", format!("Waits until {}", moment(detail("until"))), String::new()),
        "sent" => ("", "Sent".to_owned(), "A receipt of the provider may confirm it later.".to_owned()),
        "given_up" => ("bad", format!("Ended: {}", detail("reason").replace('_', " ")), reason()),
        "confirmed" => ("ok", format!("Delivered, as {by} reported"), String::new()),
        "undelivered" => ("bad", format!("Not delivered, as {by} reported"), String::new()),
        "expired_by_provider" => ("bad", format!("Expired at {by}"), String::new()),
        "attempt_failed" => {
            ("warn", format!("{by} reported that the message of an attempt was not delivered"), String::new())
        }
        "delivery_resent" => ("", format!("Sent again by {by}"), format!("Reason: {}", detail("reason"))),
        "dossier_made" => ("", format!("Dossier made by {by}"), String::new()),
        other => ("", other.replace('_', " "), String::new()),
    }
}

// A time that an event holds as RFC 3339, as pages show times.
fn moment(text: &str) -> String {
    text.parse::<jiff::Timestamp>().map_or_else(|_| text.to_owned(), |at| at.strftime("%F %T").to_string())
}

fn facts_of(detail: &Map<String, Value>) -> impl Iterator<Item = (String, String)> {
    detail.iter().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.replace('_', " "), text)
    })
}

fn outcome(attempt: &Attempt) -> (&'static str, String) {
    let took = duration(i64::try_from(attempt.took.as_micros()).unwrap_or(i64::MAX));
    let cause = attempt.outcome.cause().map(Cause::name).unwrap_or_default().replace('_', " ");
    let (tone, text) = match &attempt.outcome {
        Outcome::Accepted { .. } => ("ok", format!("The provider accepted the message in {took}.")),
        Outcome::Deferred { .. } => ("warn", format!("Not accepted, and it may be later: {cause}.")),
        Outcome::Rejected { .. } => ("bad", format!("Rejected for good: {cause}.")),
        Outcome::Unknown { .. } => ("warn", format!("No answer: {cause}. The message may have arrived.")),
    };
    match attempt.failure {
        Some(status) => ("bad", format!("{text} Later the provider reported: {}.", status.name().replace('_', " "))),
        None => (tone, text),
    }
}

const fn channel(attempt: &Attempt) -> &'static str {
    use crate::domain::contact::Channel;
    match attempt.channel {
        Channel::Sms => "SMS",
        Channel::Push => "push",
        Channel::Email => "e-mail",
    }
}

fn attempt_facts(attempt: &Attempt) -> Vec<(String, String)> {
    let fact = |name: &str, value: Option<String>| value.map(|value| (name.to_owned(), value));
    let took = duration(i64::try_from(attempt.took.as_micros()).unwrap_or(i64::MAX));
    [
        fact("answer of the provider", attempt.detail.as_ref().map(ToString::to_string)),
        fact("reference", reference(&attempt.outcome).map(str::to_owned)),
        fact("country", attempt.country.map(|it| it.to_string())),
        fact("segments", attempt.segments.map(|it| it.to_string())),
        fact("time of the provider", Some(took)),
    ]
    .into_iter()
    .flatten()
    .collect()
}
