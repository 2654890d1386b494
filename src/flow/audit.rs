//! Writes into the audit log what happens at the processors' door: who was refused, and what it took while running.
//!
//! It never holds anybody up: what cannot be written is logged and let go. Certificates are named, people never are.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::chain;
use crate::domain::clock::{Clock, Timestamp};
use crate::store::Store;

/// How often somebody was refused for one reason since it was last written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Where: `handshake` or `request`.
    pub at: &'static str,
    /// Why, as metrics name it.
    pub reason: &'static str,
    /// The certificate that was shown, if one was.
    pub shown: Option<CertificateId>,
    /// How often.
    pub count: u64,
}

/// What names a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertificateId {
    /// Whom it names.
    pub subject: String,
    /// Its number, in hexadecimal.
    pub serial: String,
    /// What names its key.
    pub pin: String,
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

    /// Writes one event for each of `refused`.
    pub async fn refused(&self, refused: &[Rejection]) {
        let now = self.clock.now();
        let events: Vec<_> = refused.iter().map(|it| event(AuditKind::ClientRejected, now, detail(it))).collect();
        self.write(&events).await;
    }

    /// Writes that the door took what `detail` names.
    pub async fn reloaded(&self, detail: Map<String, Value>) {
        self.write(&[event(AuditKind::Reloaded, self.clock.now(), detail)]).await;
    }

    async fn write(&self, events: &[AuditEvent]) {
        if events.is_empty() {
            return;
        }
        if let Err(error) = self.store.note(events).await {
            let (error, lost) = (chain(&error), events.len());
            tracing::error!(error, lost, "what happened at the door could not be written into the audit log");
        }
    }
}

fn event(kind: AuditKind, at: Timestamp, detail: Map<String, Value>) -> AuditEvent {
    AuditEvent { at, actor: Actor::Gateway, kind, notification: None, delivery: None, detail }
}

fn detail(refused: &Rejection) -> Map<String, Value> {
    let mut detail = Map::new();
    let mut put = |name: &str, value: Value| drop(detail.insert(name.to_owned(), value));
    put("at", refused.at.into());
    put("reason", refused.reason.into());
    put("count", refused.count.into());
    if let Some(CertificateId { subject, serial, pin }) = &refused.shown {
        put("subject", subject.as_str().into());
        put("serial", serial.as_str().into());
        put("spki", pin.as_str().into());
    }
    detail
}
