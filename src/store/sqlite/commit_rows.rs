//! The rows of a batch as JSON objects. Each field has the name that `commit` and `outbox` read it by.

use serde::Serialize;

use super::json_rows::Hex;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryState, EndReason};
use crate::domain::failure_detail::FailureDetail;
use crate::domain::money::Currency;
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::store::rows::{AcceptRows, NextState, SettleRows};

#[derive(Serialize)]
pub(super) struct KeyObject<'a> {
    scope: Hex<'a>,
    fingerprint: Hex<'a>,
    notification_id: Hex<'a>,
    expires_at: Timestamp,
}

impl<'a> KeyObject<'a> {
    pub(super) fn of(rows: &'a AcceptRows) -> Option<Self> {
        let key = rows.idempotency.as_ref()?;
        Some(Self {
            scope: Hex(&key.scope),
            fingerprint: Hex(&key.fingerprint),
            notification_id: Hex(rows.notification.as_bytes()),
            expires_at: key.expires_at,
        })
    }
}

#[derive(Serialize)]
pub(super) struct NotificationObject<'a> {
    id: Hex<'a>,
    client: &'a str,
    kind: &'static str,
    received_at: Timestamp,
    idempotency_key: Option<&'a str>,
    warnings: Option<&'a str>,
    scope: Option<Hex<'a>>,
}

impl<'a> NotificationObject<'a> {
    pub(super) fn of(rows: &'a AcceptRows) -> Self {
        Self {
            id: Hex(rows.notification.as_bytes()),
            client: &rows.client,
            kind: rows.kind.name(),
            received_at: rows.received_at,
            idempotency_key: rows.idempotency_key.as_deref(),
            warnings: rows.warnings.as_deref(),
            scope: rows.idempotency.as_ref().map(|key| Hex(&key.scope)),
        }
    }
}

#[derive(Serialize)]
pub(super) struct DeliveryObject<'a> {
    id: Hex<'a>,
    notification_id: Hex<'a>,
    kind: &'static str,
    received_at: Timestamp,
    expires_at: Timestamp,
    due_at: Timestamp,
    lease_token: Option<i64>,
    ordering_key: Option<Hex<'a>>,
    sealed: Hex<'a>,
    replaced: Option<Hex<'a>>,
    replaces_until: Timestamp,
}

impl<'a> DeliveryObject<'a> {
    pub(super) fn of(rows: &'a AcceptRows) -> Self {
        Self {
            id: Hex(rows.delivery.as_bytes()),
            notification_id: Hex(rows.notification.as_bytes()),
            kind: rows.kind.name(),
            received_at: rows.received_at,
            expires_at: rows.expires_at,
            due_at: rows.due_at,
            lease_token: rows.lease_token,
            ordering_key: rows.ordering_key.as_ref().map(|key| Hex(key)),
            sealed: Hex(&rows.sealed),
            replaced: rows.replaced.as_ref().map(|replaced| Hex(replaced)),
            replaces_until: rows.replaces_until,
        }
    }
}

#[derive(Serialize)]
pub(super) struct StepObject<'a> {
    delivery_id: Hex<'a>,
    lease_token: i64,
    recipient_id: Option<Hex<'a>>,
    state: &'static str,
    end_reason: Option<&'static str>,
    ended_at: Option<Timestamp>,
    due_at: Option<Timestamp>,
    keeps_lease: u8,
    keeps_content: u8,
    wait_recorded: Option<u8>,
}

impl<'a> StepObject<'a> {
    pub(super) fn of(rows: &'a SettleRows) -> Self {
        let (state, reason, ended_at, due_at) = match rows.next {
            NextState::Leased(until) | NextState::Due(until) => (DeliveryState::Open, None, None, Some(until)),
            NextState::Ended(state, reason, at) => (state, reason, Some(at), None),
            NextState::AwaitsReceipt(at) => (DeliveryState::Sent, None, Some(at), None),
        };
        Self {
            delivery_id: Hex(rows.delivery.as_bytes()),
            lease_token: rows.lease_token,
            recipient_id: rows.recipient.as_ref().map(|id| Hex(id.as_bytes())),
            state: state.name(),
            end_reason: reason.map(EndReason::name),
            ended_at,
            due_at,
            keeps_lease: u8::from(matches!(rows.next, NextState::Leased(_))),
            keeps_content: u8::from(rows.keeps_content),
            wait_recorded: matches!(rows.next, NextState::Due(_)).then_some(1),
        }
    }
}

#[derive(Serialize)]
pub(super) struct AttemptObject<'a> {
    delivery_id: Hex<'a>,
    lease_token: i64,
    number: u32,
    channel: &'static str,
    provider: &'a str,
    contact_position: u32,
    masked_contact: &'a str,
    started_at: Timestamp,
    took_us: u64,
    outcome: &'static str,
    cause: Option<&'static str>,
    reference: Option<&'a str>,
    retry_after_ms: Option<u64>,
    template_version: Option<Hex<'a>>,
    detail: Option<&'a str>,
    segments: Option<u32>,
    contact_hash: Option<Hex<'a>>,
    country: Option<String>,
    cost: Option<u64>,
    currency: Option<&'a str>,
}

impl<'a> AttemptObject<'a> {
    pub(super) fn of(rows: &'a SettleRows) -> Option<Self> {
        let Attempt { number, channel, provider, contact, address, started_at, took, outcome, .. } =
            rows.attempt.as_ref()?;
        let Attempt { detail, segments, template_version, contact_hash, country, .. } = rows.attempt.as_ref()?;
        let Attempt { cost, .. } = rows.attempt.as_ref()?;
        let (reference, retry_after) = match outcome {
            Outcome::Accepted { reference } => (reference.as_ref(), None),
            Outcome::Deferred { retry_after, .. } => (None, retry_after.as_ref()),
            Outcome::Rejected { .. } | Outcome::Unknown { .. } => (None, None),
        };
        let whole = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
        Some(Self {
            delivery_id: Hex(rows.delivery.as_bytes()),
            lease_token: rows.lease_token,
            number: *number,
            channel: channel.name(),
            provider: &provider.0,
            contact_position: *contact,
            masked_contact: address,
            started_at: *started_at,
            took_us: whole(took.as_micros()),
            outcome: outcome.name(),
            cause: outcome.cause().map(Cause::name),
            reference: reference.map(Reference::as_str),
            retry_after_ms: retry_after.map(|span| whole(span.as_millis())),
            template_version: template_version.as_ref().map(|version| Hex(&version.0)),
            detail: detail.as_ref().map(FailureDetail::as_str),
            segments: *segments,
            contact_hash: contact_hash.as_ref().map(|hash| Hex(hash)),
            country: country.map(|country| country.to_string()),
            cost: cost.map(|cost| cost.amount.micros()),
            currency: cost.as_ref().and_then(|cost| cost.currency.as_ref()).map(Currency::as_str),
        })
    }
}

/// A row of the audit log.
#[derive(Serialize)]
pub(super) struct EventObject<'a> {
    at: Timestamp,
    actor: String,
    kind: &'static str,
    notification_id: Option<Hex<'a>>,
    delivery_id: Option<Hex<'a>>,
    // JSON inside a JSON text: the column holds a text.
    detail: String,
    lease_token: Option<i64>,
}

impl<'a> EventObject<'a> {
    pub(super) fn of(event: &'a AuditEvent) -> Self {
        Self {
            at: event.at,
            actor: event.actor.to_string(),
            kind: event.kind.name(),
            notification_id: event.notification.as_ref().map(|id| Hex(id.0.as_bytes())),
            delivery_id: event.delivery.as_ref().map(|id| Hex(id.0.as_bytes())),
            detail: serde_json::to_string(&event.detail).unwrap_or_default(),
            lease_token: None,
        }
    }

    /// The row of a step, if it has one. It is written only while the delivery is held under the step's lease.
    pub(super) fn of_step(rows: &'a SettleRows) -> Option<Self> {
        let event = rows.event.as_ref()?;
        Some(Self { lease_token: Some(rows.lease_token), ..Self::of(event) })
    }
}
