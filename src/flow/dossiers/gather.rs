//! What the store knows about a delivery, as the dossier shows it.

use serde_json::{Map, Value};

use super::proofs::Proofs;
use super::{Error, Settings, approval};
use crate::domain::certificate_id::CertificateId;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Attempt;
use crate::domain::failure_detail::FailureDetail;
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::domain::recipient::RecipientId;
use crate::domain::template_version::TemplateSnapshot;
use crate::dossier::{AttemptRecord, CertificateRecord, ClockRecord, DeliveryRecord, EventRecord};
use crate::dossier::{MessageRecord, ReceiptRecord};
use crate::flow::deliveries::message_text::{self, AttemptText};
use crate::store::reports::{DeliveryDetail, EventLine};
use crate::store::{REMOVED, Store};

pub(super) async fn delivery(
    store: &Store,
    settings: &Settings,
    detail: &DeliveryDetail,
    proofs: &mut Proofs<'_>,
) -> Result<DeliveryRecord, Error> {
    let line = &detail.line;
    let looks = store.reports().operators_looks(line).await?.into_iter().filter(|event| event.at >= line.received_at);
    let mut lines: Vec<_> = detail.events.iter().cloned().chain(looks).collect();
    lines.sort_by_key(|event| event.seq);
    let mut events = Vec::with_capacity(lines.len());
    for event in &lines {
        events.push(event_record(event, proofs).await?);
    }
    let certificate = store.client_certificates().certificate_of(line.notification).await?;
    // A delivery that was split off a notification begins with the split, at the same moment.
    let clock = match events.iter().find(|event| event.kind == "accepted").or(events.first()) {
        Some(accepted) => proofs.clock(accepted.index).await?,
        None => None,
    };
    Ok(DeliveryRecord {
        delivery: line.id.to_string(),
        notification: line.notification.to_string(),
        kind: line.kind.clone(),
        client: line.client.clone(),
        certificate: certificate.map(|CertificateId { subject, serial, pin }| CertificateRecord {
            subject,
            serial,
            spki_pin: pin,
        }),
        accepted_at: line.received_at.to_string(),
        deadline: line.expires_at.to_string(),
        state: line.state.clone(),
        end_reason: line.end_reason.clone(),
        ended_at: line.ended_at.map(|at| at.to_string()),
        recipient: line.recipient.map(|id| store.recipient_hash(RecipientId(id))),
        clock: clock.map(|clock| ClockRecord { source: clock.source, offset_us: clock.offset_us }),
        retained_until: settings.retention.kept_until(line.received_at).to_string(),
        messages: messages(store, settings, detail, proofs).await?,
        attempts: detail.attempts.iter().map(|attempt| attempt_record(attempt, &events)).collect(),
        events,
    })
}

pub(super) async fn event_record(event: &EventLine, proofs: &mut Proofs<'_>) -> Result<EventRecord, Error> {
    let index = event.seq.unsigned_abs().saturating_sub(1);
    Ok(EventRecord {
        index,
        at: event.at.to_string(),
        actor: event.actor.clone(),
        kind: event.kind.clone(),
        detail: serde_json::from_str(&event.detail).unwrap_or_default(),
        proof: proofs.of(index).await?,
    })
}

async fn messages(
    store: &Store,
    settings: &Settings,
    detail: &DeliveryDetail,
    proofs: &mut Proofs<'_>,
) -> Result<Vec<MessageRecord>, Error> {
    let versions: Vec<_> = detail.attempts.iter().filter_map(|attempt| attempt.template_version).collect();
    if versions.is_empty() {
        return Ok(Vec::new());
    }
    let templates = store.template_versions().snapshots(&versions).await?;
    let activations = store.template_versions().activations().await?;
    let texts = message_text::of(store, &settings.templates, detail, &templates).await?;
    // The name of a person stands in these messages, and in no dossier.
    let has_name = detail.line.kind.starts_with("verification_");
    let mut messages = Vec::with_capacity(texts.len());
    for text in &texts {
        let TemplateSnapshot { template_version, key, .. } = text.template();
        let used_at = used_at(detail, text);
        let uses = activations.iter().filter(|it| it.template_version == Some(*template_version));
        let in_use_since = uses.map(|it| it.at).filter(|at| *at <= used_at).max();
        let rendered = text.rendered().filter(|_| !has_name);
        messages.push(MessageRecord {
            template: key.to_string(),
            version: template_version.to_string(),
            in_use_since: in_use_since.map(|at| at.to_string()),
            approval: approval::of(store, text.template(), used_at, proofs).await?,
            attempts: text.attempts().to_vec(),
            parts: text
                .sources()
                .filter(|(part, _)| TemplateSnapshot::is_text(part))
                .map(|(part, source)| (part.to_owned(), source))
                .collect(),
            rendered: rendered.map(|parts| {
                let texts = parts.iter().filter(|(part, _)| *part != "html");
                texts.map(|(part, text)| ((*part).to_owned(), text.clone())).collect()
            }),
        });
    }
    Ok(messages)
}

/// When the first attempt with this text was made.
fn used_at(detail: &DeliveryDetail, text: &AttemptText<'_>) -> Timestamp {
    let attempts = detail.attempts.iter().filter(|attempt| text.attempts().contains(&attempt.number));
    attempts.map(|attempt| attempt.started_at).min().unwrap_or(detail.line.received_at)
}

fn attempt_record(attempt: &Attempt, events: &[EventRecord]) -> AttemptRecord {
    let reference = match &attempt.outcome {
        Outcome::Accepted { reference } => reference.as_ref().map(Reference::as_str),
        Outcome::Deferred { .. } | Outcome::Rejected { .. } | Outcome::Unknown { .. } => None,
    };
    let contact = Some(&attempt.masked_contact).filter(|contact| *contact != REMOVED);
    AttemptRecord {
        number: attempt.number,
        channel: attempt.channel.name().to_owned(),
        provider: attempt.provider.0.clone(),
        contact: contact.cloned(),
        started_at: attempt.started_at.to_string(),
        latency_ms: u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX),
        outcome: attempt.outcome.name().to_owned(),
        cause: attempt.outcome.cause().map(Cause::name).map(str::to_owned),
        detail: attempt.detail.as_ref().map(FailureDetail::as_str).map(str::to_owned),
        reference: reference.map(str::to_owned),
        segments: attempt.segments,
        receipts: events.iter().filter_map(|event| receipt(event, attempt.number)).collect(),
    }
}

/// The receipt that the event records, if it is about this attempt.
fn receipt(event: &EventRecord, number: u32) -> Option<ReceiptRecord> {
    let text = |name: &str| member(&event.detail, name).map(str::to_owned);
    let is_about = event.detail.get("attempt").and_then(Value::as_u64) == Some(number.into());
    let status = text("status").filter(|_| is_about && event.actor.starts_with("provider:"))?;
    let (code, reported_at) = (text("receipt_code"), text("reported_at"));
    Some(ReceiptRecord { status, code, reported_at, arrived_at: event.at.clone() })
}

fn member<'a>(detail: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    detail.get(name).and_then(Value::as_str)
}
