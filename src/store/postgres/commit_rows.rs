//! The rows of a batch as one array for each column.
//!
//! PostgreSQL stores no zero byte in a text. What comes from outside may have one; it is replaced.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryState, EndReason};
use crate::domain::failure_detail::FailureDetail;
use crate::domain::money::Currency;
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::store::rows::{AcceptRows, NextState, SettleRows};

/// What a provider was paid for is counted by the minute, which spend caps read back after a restart.
const MINUTE_US: i64 = 60_000_000;

/// A text without zero bytes.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// New notifications.
#[derive(Default)]
pub(super) struct AcceptColumns<'a> {
    pub(super) notification: Vec<Uuid>,
    pub(super) delivery: Vec<Uuid>,
    pub(super) client: Vec<String>,
    pub(super) kind: Vec<&'static str>,
    pub(super) received_at: Vec<i64>,
    pub(super) expires_at: Vec<i64>,
    pub(super) idempotency_key: Vec<Option<String>>,
    pub(super) warnings: Vec<Option<String>>,
    pub(super) due_at: Vec<i64>,
    pub(super) ordering_key: Vec<Option<&'a [u8]>>,
    pub(super) replaced: Vec<Option<&'a [u8]>>,
    pub(super) replaces_until: Vec<i64>,
    pub(super) lease_token: Vec<Option<i64>>,
    pub(super) sealed: Vec<&'a [u8]>,
}

impl<'a> AcceptColumns<'a> {
    /// The columns of these rows.
    pub(super) fn of(all: impl Iterator<Item = &'a AcceptRows>) -> Self {
        let mut columns = Self::default();
        for rows in all {
            columns.notification.push(rows.notification);
            columns.delivery.push(rows.delivery);
            columns.client.push(storable(&rows.client));
            columns.kind.push(rows.kind.name());
            columns.received_at.push(rows.received_at.micros());
            columns.expires_at.push(rows.expires_at.micros());
            columns.idempotency_key.push(rows.idempotency_key.as_deref().map(storable));
            columns.warnings.push(rows.warnings.as_deref().map(storable));
            columns.due_at.push(rows.due_at.micros());
            columns.ordering_key.push(rows.ordering_key.as_ref().map(<[u8; 16]>::as_slice));
            columns.replaced.push(rows.replaced.as_ref().map(<[u8; 16]>::as_slice));
            columns.replaces_until.push(rows.replaces_until.micros());
            columns.lease_token.push(rows.lease_token);
            columns.sealed.push(&rows.sealed);
        }
        columns
    }
}

/// Steps of deliveries.
#[derive(Default)]
pub(super) struct SettleColumns {
    pub(super) delivery: Vec<Uuid>,
    pub(super) lease_token: Vec<i64>,
    pub(super) recipient: Vec<Option<Uuid>>,
    pub(super) state: Vec<&'static str>,
    pub(super) end_reason: Vec<Option<&'static str>>,
    pub(super) ended_at: Vec<Option<i64>>,
    pub(super) due_at: Vec<Option<i64>>,
    pub(super) keeps_lease: Vec<bool>,
    pub(super) waits: Vec<Option<bool>>,
    pub(super) keeps_content: Vec<bool>,
}

impl SettleColumns {
    /// The columns of these rows.
    pub(super) fn of(all: &[SettleRows]) -> Self {
        let mut columns = Self::default();
        for rows in all {
            let (state, reason, ended_at, due_at) = match rows.next {
                NextState::Leased(until) | NextState::Due(until) => (DeliveryState::Open, None, None, Some(until)),
                NextState::Ended(state, reason, at) => (state, reason, Some(at), None),
                NextState::AwaitsReceipt(at) => (DeliveryState::Sent, None, Some(at), None),
            };
            columns.delivery.push(rows.delivery);
            columns.lease_token.push(rows.lease_token);
            columns.recipient.push(rows.recipient);
            columns.state.push(state.name());
            columns.end_reason.push(reason.map(EndReason::name));
            columns.ended_at.push(ended_at.map(Timestamp::micros));
            columns.due_at.push(due_at.map(Timestamp::micros));
            columns.keeps_lease.push(matches!(rows.next, NextState::Leased(_)));
            columns.waits.push(matches!(rows.next, NextState::Due(_)).then_some(true));
            columns.keeps_content.push(rows.keeps_content);
        }
        columns
    }
}

/// Attempts of steps.
#[derive(Default)]
pub(super) struct AttemptColumns<'a> {
    pub(super) delivery: Vec<Uuid>,
    pub(super) number: Vec<i64>,
    pub(super) channel: Vec<&'static str>,
    pub(super) provider: Vec<&'a str>,
    pub(super) contact: Vec<i64>,
    pub(super) masked_contact: Vec<String>,
    pub(super) started_at: Vec<i64>,
    pub(super) took_us: Vec<i64>,
    pub(super) outcome: Vec<&'static str>,
    pub(super) cause: Vec<Option<&'static str>>,
    pub(super) reference: Vec<Option<String>>,
    pub(super) retry_after_ms: Vec<Option<i64>>,
    pub(super) template_version: Vec<Option<&'a [u8]>>,
    pub(super) detail: Vec<Option<String>>,
    pub(super) segments: Vec<Option<i64>>,
    pub(super) contact_hash: Vec<Option<&'a [u8]>>,
    pub(super) country: Vec<Option<String>>,
    pub(super) cost: Vec<Option<i64>>,
    pub(super) currency: Vec<Option<&'a str>>,
}

impl<'a> AttemptColumns<'a> {
    /// The columns of the attempts of these rows.
    pub(super) fn of(all: impl Iterator<Item = &'a SettleRows>) -> Self {
        let mut columns = Self::default();
        for rows in all {
            let Some(attempt) = &rows.attempt else { continue };
            let (reference, retry_after) = match &attempt.outcome {
                Outcome::Accepted { reference } => (reference.as_ref(), None),
                Outcome::Deferred { retry_after, .. } => (None, retry_after.as_ref()),
                Outcome::Rejected { .. } | Outcome::Unknown { .. } => (None, None),
            };
            let cost = attempt.cost.as_ref();
            columns.delivery.push(rows.delivery);
            columns.number.push(attempt.number.into());
            columns.channel.push(attempt.channel.name());
            columns.provider.push(&attempt.provider.0);
            columns.contact.push(attempt.contact.into());
            columns.masked_contact.push(storable(&attempt.masked_contact));
            columns.started_at.push(attempt.started_at.micros());
            columns.took_us.push(whole(attempt.took.as_micros()));
            columns.outcome.push(attempt.outcome.name());
            columns.cause.push(attempt.outcome.cause().map(Cause::name));
            columns.reference.push(reference.map(Reference::as_str).map(storable));
            columns.retry_after_ms.push(retry_after.map(|span| whole(span.as_millis())));
            columns.template_version.push(attempt.template_version.as_ref().map(|version| version.0.as_slice()));
            columns.detail.push(attempt.detail.as_ref().map(FailureDetail::as_str).map(storable));
            columns.segments.push(attempt.segments.map(i64::from));
            columns.contact_hash.push(attempt.contact_hash.as_ref().map(<[u8; 16]>::as_slice));
            columns.country.push(attempt.country.map(|country| country.to_string()));
            columns.cost.push(cost.map(|cost| whole(cost.amount.micros().into())));
            columns.currency.push(cost.and_then(|cost| cost.currency.as_ref()).map(Currency::as_str));
        }
        columns
    }
}

/// What providers were paid for: the columns of `provider_spend`.
pub(super) fn spend<'a>(done: impl Iterator<Item = &'a SettleRows>) -> (Vec<i64>, Vec<&'a str>, Vec<i64>, Vec<i64>) {
    let mut minutes = BTreeMap::<(i64, &str), (i64, i64)>::new();
    let attempts = done.filter_map(|rows| rows.attempt.as_ref());
    let paid = attempts.filter(|it| matches!(it.outcome, Outcome::Accepted { .. } | Outcome::Unknown { .. }));
    for Attempt { provider, started_at, segments, .. } in paid {
        let at = started_at.micros();
        let (first_at, units) = minutes.entry((at / MINUTE_US, provider.0.as_str())).or_insert((at, 0));
        *first_at = at.min(*first_at);
        *units += i64::from(segments.unwrap_or(1));
    }
    let mut columns = (vec![], vec![], vec![], vec![]);
    for ((minute, provider), (first_at, units)) in minutes {
        columns.0.push(minute);
        columns.1.push(provider);
        columns.2.push(first_at);
        columns.3.push(units);
    }
    columns
}

fn whole(number: u128) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
