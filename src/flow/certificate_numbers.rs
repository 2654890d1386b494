//! The numbers of the client certificates that notifications are posted with. A certificate is stored with its first
//! notification; after that its number is in memory, and an acceptance costs no query more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::certificate_id::CertificateId;
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::domain::notification::ClientName;
use crate::store::Store;

/// The certificates that were used since the start.
pub(super) struct CertificateNumbers {
    store: Arc<Store>,
    known: Mutex<HashMap<CertificateId, i64>>,
}

impl CertificateNumbers {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, known: Mutex::default() }
    }

    /// The number of a certificate. `None` when it cannot be stored: a notification is not rejected for that.
    pub(super) async fn of(&self, certificate: &CertificateId, client: &ClientName, now: Timestamp) -> Option<i64> {
        if let Some(number) = self.known().get(certificate) {
            return Some(*number);
        }
        let event = AuditEvent::new(Actor::Client(client.0.clone()), AuditKind::ClientCertificateFirstUsed, now)
            .with("subject", certificate.subject.as_str())
            .with("serial", certificate.serial.as_str())
            .with("spki_pin", certificate.pin.as_str());
        match self.store.client_certificates().certificate_number(certificate, event).await {
            Ok(number) => {
                self.known().insert(certificate.clone(), number);
                Some(number)
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), %client, "client certificate was not stored; audit events lack it");
                None
            }
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<CertificateId, i64>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
