//! Everything that is stored of a recipient, who has a right to it (GDPR, article 15). An export is an audit event, which is
//! recorded before anybody has the data. Codes and identifiers are never in it.

use serde_json::{Value, json};

use super::deliveries::{Incomplete, complete};
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Attempt;
use crate::domain::preferences::RecipientTimeZone;
use crate::domain::recipient::Recipient;
use crate::store::reports::{DeliveryDetail, DeliveryFilter};
use crate::store::{self, Store};

/// Deliveries that are read at once.
const PAGE: u32 = 1_000;

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Incomplete(#[from] Incomplete),
}

/// The data, with contacts in clear, and the number of deliveries in it.
pub async fn export(
    store: &Store,
    recipient: &Recipient,
    actor: Actor,
    at: Timestamp,
) -> Result<(Value, usize), Error> {
    let deliveries = deliveries(store, recipient).await?;
    let count = deliveries.len();
    let data = json!({ "exported_at": at, "recipient": about(recipient), "deliveries": deliveries });
    let event = AuditEvent::new(actor, AuditKind::RecipientExported, at);
    store.audit_events().record(&[event.with("recipient", recipient.id.to_string())]).await?;
    Ok((data, count))
}

async fn deliveries(store: &Store, recipient: &Recipient) -> Result<Vec<Value>, Error> {
    let mut filter = DeliveryFilter { recipient: Some(recipient.id), ..DeliveryFilter::newest(PAGE) };
    let mut values = Vec::new();
    loop {
        let page = store.reports().deliveries(&filter).await?;
        complete(&page)?;
        for line in &page.lines {
            values.extend(store.reports().delivery(line.id).await?.as_ref().map(delivery));
        }
        filter.before = page.next;
        if filter.before.is_none() {
            return Ok(values);
        }
    }
}

fn delivery(detail: &DeliveryDetail) -> Value {
    let line = &detail.line;
    let attempt = |attempt: &Attempt| {
        json!({
            "channel": attempt.channel,
            "provider": attempt.provider.0,
            "masked_contact": attempt.masked_contact,
            "started_at": attempt.started_at,
            "template_version": attempt.template_version.map(|version| version.to_string()),
        })
    };
    json!({
        "id": line.id,
        "kind": line.kind,
        "state": line.state,
        "end_reason": line.end_reason,
        "received_from": line.client,
        "received_at": line.received_at,
        "ended_at": line.ended_at,
        "attempts": detail.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "events": detail.events,
    })
}

fn about(recipient: &Recipient) -> Value {
    let contacts =
        recipient.contacts.iter().map(|contact| json!({ "channel": contact.channel(), "contact": contact.expose() }));
    json!({
        "id": recipient.id,
        "recipient": recipient.reference,
        "locale": recipient.locale,
        "status": recipient.status,
        "channels": recipient.preferences.channels,
        "time_zone": recipient.preferences.time_zone.as_ref().map(RecipientTimeZone::name),
        "contacts": contacts.collect::<Vec<_>>(),
    })
}
