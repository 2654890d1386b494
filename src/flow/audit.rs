//! Writes the ingest listener's events into the audit log: rejected clients and notifications, and reloads.
//!
//! A failed write is logged and dropped, so that it never delays a request. Events name certificates, never recipients.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::certificate_id::CertificateId;
use crate::domain::chain;
use crate::domain::clock::Clock;
use crate::domain::notification::ClientName;
use crate::store::Store;

/// How often clients were rejected for one reason since the last event about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// `handshake` or `request`.
    pub at: &'static str,
    /// The reason, as in metrics.
    pub reason: &'static str,
    /// The client's certificate, if it presented one.
    pub certificate: Option<CertificateId>,
    pub count: u64,
}

/// How often requests of a client were rejected for one reason since the last event about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedNotifications {
    pub client: ClientName,
    /// The kind of notification, by the path.
    pub kind: &'static str,
    /// The status of the answers.
    pub status: u16,
    /// The reason, as in metrics.
    pub reason: &'static str,
    /// The field or header that is to blame.
    pub field: Option<&'static str>,
    /// What was expected.
    pub detail: &'static str,
    pub count: u64,
}

/// A client that was accepted before is rejected, or is accepted again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectionAlarm {
    pub client: ClientName,
    pub kind: &'static str,
    pub began: bool,
    /// Its rejected notifications.
    pub rejected: u64,
}

/// Writes into the audit log.
#[derive(Clone)]
pub struct AuditLog {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
}

impl AuditLog {
    /// Writes into `store`.
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Records one event for each of `rejections`.
    pub async fn record_rejections(&self, rejections: &[Rejection]) {
        let now = self.clock.now();
        let events: Vec<_> = rejections
            .iter()
            .map(|rejection| {
                let event = AuditEvent::gateway(AuditKind::ClientRejected, now)
                    .with("at", rejection.at)
                    .with("reason", rejection.reason)
                    .with("count", rejection.count);
                match &rejection.certificate {
                    Some(CertificateId { subject, serial, pin }) => event
                        .with("subject", subject.as_str())
                        .with("serial", serial.as_str())
                        .with("spki_pin", pin.as_str()),
                    None => event,
                }
            })
            .collect();
        self.record(&events).await;
    }

    /// Records one event for each of `rejected` and `alarms`.
    pub async fn record_rejected_notifications(&self, rejected: &[RejectedNotifications], alarms: &[RejectionAlarm]) {
        let now = self.clock.now();
        let by = |client: &ClientName| Actor::Client(client.0.clone());
        let rejected = rejected.iter().map(|it| {
            let event = AuditEvent::new(by(&it.client), AuditKind::NotificationRejected, now)
                .with("kind", it.kind)
                .with("status", it.status)
                .with("reason", it.reason)
                .with("detail", it.detail)
                .with("count", it.count);
            match it.field {
                Some(field) => event.with("field", field),
                None => event,
            }
        });
        let alarms = alarms.iter().map(|it| {
            let kind = if it.began { AuditKind::RejectionsBegan } else { AuditKind::RejectionsEnded };
            AuditEvent::new(by(&it.client), kind, now).with("kind", it.kind).with("rejected", it.rejected)
        });
        self.record(&rejected.chain(alarms).collect::<Vec<_>>()).await;
    }

    /// Records that the ingest listener reloaded what `detail` names.
    pub async fn record_reload(&self, detail: Map<String, Value>) {
        self.record(&[AuditEvent { detail, ..AuditEvent::gateway(AuditKind::Reloaded, self.clock.now()) }]).await;
    }

    async fn record(&self, events: &[AuditEvent]) {
        if events.is_empty() {
            return;
        }
        if let Err(error) = self.store.audit_events().record(events).await {
            tracing::error!(
                error = chain(&error),
                lost = events.len(),
                "audit events of the ingest listener were lost"
            );
        }
    }
}
