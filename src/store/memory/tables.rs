//! The tables, and the one way in which a batch changes them: all of it, or nothing.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::InjectedFault;
use super::report_model::ReportTables;
use crate::domain::audit_event::AuditEvent;
use crate::domain::certificate_id::CertificateId;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryId, DeliveryState, EndReason, ProviderName};
use crate::domain::notification::Kind;
use crate::domain::receipt::Receipt;
use crate::domain::template_change::TemplateChange;
use crate::domain::template_version::{TemplateActivation, TemplateSnapshot, TemplateVersion};
use crate::store::Error;
use crate::store::api_tokens::TokenRow;
use crate::store::audit_archives::AuditArchive;
use crate::store::audit_tree::{StoredCheckpoint, StoredTimestamp};
use crate::store::providers::{Drain, Pause, ProviderState};
use crate::store::rows::{
    AcceptResult, AcceptRows, ImportRows, NextState, RetireRows, RetiredRow, SettleResult, SettleRows,
};
use crate::store::seal::{KeyFingerprint, LookupHash};
use crate::store::template_changes::TextVersion;
use crate::store::users::{SessionRow, TokenHash, UserRow};
use crate::store::write_batcher::{Batch, Committed};

/// All tables.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) notifications: BTreeMap<Uuid, NotificationRow>,
    pub(super) keys: BTreeMap<LookupHash, KeyRow>,
    pub(super) replacements: BTreeMap<LookupHash, (Uuid, Timestamp)>,
    pub(super) deliveries: BTreeMap<Uuid, DeliveryRow>,
    pub(super) events: Vec<AuditEvent>,
    /// Events that were archived; the numbers of the others follow.
    pub(super) removed_events: usize,
    pub(super) archives: Vec<AuditArchive>,
    pub(super) certificates: Vec<CertificateId>,
    pub(super) recipients: BTreeMap<Uuid, ImportRows>,
    /// By recipient, channel and contact hash.
    pub(super) retired: BTreeMap<(Uuid, &'static str, LookupHash), RetiredRow>,
    pub(super) parked: BTreeMap<i64, ParkedRow>,
    pub(super) last_parked: i64,
    pub(super) drains: BTreeMap<ProviderName, Drain>,
    pub(super) pause: Option<Pause>,
    pub(super) provider_states: Vec<ProviderState>,
    pub(super) snapshots: BTreeMap<TemplateVersion, TemplateSnapshot>,
    pub(super) activations: Vec<TemplateActivation>,
    pub(super) changes: BTreeMap<i64, TemplateChange>,
    pub(super) texts: Vec<TextVersion>,
    pub(super) tiles: BTreeMap<(u8, u64), Vec<u8>>,
    pub(super) checkpoints: BTreeMap<u64, StoredCheckpoint>,
    pub(super) publications: BTreeMap<String, (u64, Timestamp)>,
    pub(super) timestamps: BTreeMap<u64, StoredTimestamp>,
    pub(super) seal_key: Option<KeyFingerprint>,
    pub(super) report: ReportTables,
    pub(super) users: BTreeMap<String, UserRow>,
    pub(super) sessions: BTreeMap<TokenHash, SessionRow>,
    pub(super) tokens: BTreeMap<String, TokenRow>,
}

pub(super) struct NotificationRow {
    pub(super) client: String,
    pub(super) idempotency_key: Option<String>,
    pub(super) warnings: Option<String>,
}

pub(super) struct KeyRow {
    fingerprint: Vec<u8>,
    notification: Uuid,
    pub(super) expires_at: Timestamp,
}

pub(super) struct DeliveryRow {
    pub(super) notification: Uuid,
    pub(super) kind: Kind,
    pub(super) received_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) recipient: Option<Uuid>,
    pub(super) channels: Option<String>,
    pub(super) ordering_key: Option<LookupHash>,
    pub(super) state: DeliveryState,
    pub(super) end_reason: Option<EndReason>,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) delivered_at: Option<Timestamp>,
    pub(super) due_at: Timestamp,
    pub(super) lease_token: Option<i64>,
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) wait_recorded: bool,
    pub(super) attempts: Vec<Attempt>,
}

impl DeliveryRow {
    pub(super) fn is_open(&self) -> bool {
        self.state == DeliveryState::Open
    }

    pub(super) fn is_held_by(&self, token: i64) -> bool {
        self.is_open() && self.lease_token == Some(token)
    }

    fn step(&mut self, rows: &SettleRows) {
        self.recipient = rows.recipient.or(self.recipient);
        self.attempts.extend(rows.attempt.clone());
        self.wait_recorded = matches!(rows.next, NextState::Due(_));
        match rows.next {
            NextState::Leased(until) => self.due_at = until,
            NextState::Due(until) => {
                self.due_at = until;
                self.lease_token = None;
            }
            NextState::Ended(state, reason, at) => {
                self.state = state;
                self.end_reason = reason;
                self.ended_at = Some(at);
                self.lease_token = None;
                self.sealed = self.sealed.take().filter(|_| rows.keeps_content);
            }
            NextState::AwaitsReceipt(at) => {
                self.state = DeliveryState::Sent;
                self.end_reason = None;
                self.ended_at = Some(at);
                self.lease_token = None;
            }
        }
    }
}

pub(super) struct ParkedRow {
    pub(super) provider: ProviderName,
    pub(super) receipt: Receipt,
    pub(super) delivery: Option<DeliveryId>,
    pub(super) at: Timestamp,
}

impl Tables {
    /// The audit events with their numbers.
    pub(super) fn numbered_events(&self) -> impl Iterator<Item = (i64, &AuditEvent)> {
        let first = i64::try_from(self.removed_events).unwrap_or(i64::MAX).saturating_add(1);
        (first..).zip(&self.events)
    }

    /// Accepts new notifications and settles held deliveries. Two attempts with the same number fail the batch.
    pub(super) fn commit(&mut self, batch: &Batch, now: Timestamp) -> Result<Committed, Error> {
        if let Some(rows) = batch.settles.iter().find(|rows| self.repeats_an_attempt(rows)) {
            tracing::error!(delivery.id = %rows.delivery, "two attempts have the same number");
            return Err(InjectedFault::Final.into());
        }
        let accepted = batch.accepts.iter().map(|rows| self.accept(rows, now)).collect();
        let settled = batch.settles.iter().map(|rows| self.settle(rows)).collect();
        Ok(Committed { accepted, settled })
    }

    fn repeats_an_attempt(&self, rows: &SettleRows) -> bool {
        let row = self.deliveries.get(&rows.delivery).filter(|row| row.is_held_by(rows.lease_token));
        let number = rows.attempt.as_ref().map(|attempt| attempt.number);
        row.is_some_and(|row| row.attempts.iter().any(|attempt| Some(attempt.number) == number))
    }

    fn accept(&mut self, rows: &AcceptRows, now: Timestamp) -> AcceptResult {
        if let Some(key) = &rows.idempotency {
            if let Some(known) = self.keys.get(&key.scope).filter(|known| known.expires_at > now) {
                return AcceptResult::Known {
                    notification: known.notification,
                    fingerprint: known.fingerprint.clone(),
                };
            }
            let (fingerprint, notification, expires_at) = (key.fingerprint.clone(), rows.notification, key.expires_at);
            self.keys.insert(key.scope, KeyRow { fingerprint, notification, expires_at });
        }
        let AcceptRows { client, idempotency_key, warnings, .. } = rows;
        let (client, idempotency_key, warnings) = (client.clone(), idempotency_key.clone(), warnings.clone());
        self.notifications.insert(rows.notification, NotificationRow { client, idempotency_key, warnings });
        self.deliveries.insert(
            rows.delivery,
            DeliveryRow {
                notification: rows.notification,
                kind: rows.kind,
                received_at: rows.received_at,
                expires_at: rows.expires_at,
                recipient: None,
                channels: None,
                ordering_key: rows.ordering_key,
                state: DeliveryState::Open,
                end_reason: None,
                ended_at: None,
                delivered_at: None,
                due_at: rows.due_at,
                lease_token: rows.lease_token,
                sealed: Some(rows.sealed.clone()),
                wait_recorded: false,
                attempts: Vec::new(),
            },
        );
        if let Some(replaced) = rows.replaced {
            let newest = self.replacements.entry(replaced).or_insert((rows.notification, rows.replaces_until));
            if rows.notification > newest.0 {
                *newest = (rows.notification, rows.replaces_until);
            }
        }
        self.events.push(rows.event.clone());
        AcceptResult::New
    }

    fn settle(&mut self, rows: &SettleRows) -> SettleResult {
        match self.deliveries.get_mut(&rows.delivery) {
            Some(row) if row.is_held_by(rows.lease_token) => row.step(rows),
            _ => return SettleResult::LeaseLost,
        }
        self.events.extend(rows.event.clone());
        match &rows.retires {
            Some(contact) if self.retire(contact) => SettleResult::Retired,
            _ => SettleResult::Done,
        }
    }

    fn retire(&mut self, contact: &RetireRows) -> bool {
        let RetireRows { recipient, channel, hash, retired, event, .. } = contact;
        let contacts = self.recipients.get(recipient).map(|rows| rows.contacts.as_slice()).unwrap_or_default();
        let is_known = contacts.iter().any(|row| (row.channel, row.hash) == (*channel, *hash));
        let key = (*recipient, *channel, *hash);
        if !is_known || self.retired.contains_key(&key) {
            return false;
        }
        self.retired.insert(key, retired.clone());
        self.events.push(event.clone());
        true
    }
}
