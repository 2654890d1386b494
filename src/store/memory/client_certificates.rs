//! The client certificates that notifications were posted with.

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use super::MemoryBackend;
use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::certificate_id::CertificateId;
use crate::store::Error;
use crate::store::client_certificates::{CERTIFICATE, ClientCertificates};

#[async_trait]
impl ClientCertificates for MemoryBackend {
    async fn certificate_number(&self, certificate: &CertificateId, event: AuditEvent) -> Result<i64, Error> {
        self.call("certificate_number", |tables| {
            let known = |it: &CertificateId| (&it.serial, &it.pin) == (&certificate.serial, &certificate.pin);
            let at = tables.certificates.iter().position(known).unwrap_or_else(|| {
                let at = tables.certificates.len();
                tables.certificates.push(certificate.clone());
                tables.events.push(event.with(CERTIFICATE, at + 1));
                at
            });
            i64::try_from(at + 1).unwrap_or(i64::MAX)
        })
        .await
    }

    async fn certificate_of(&self, notification: Uuid) -> Result<Option<CertificateId>, Error> {
        self.call("certificate_of", |tables| {
            let is_acceptance = |event: &&AuditEvent| {
                event.kind == AuditKind::Accepted && event.notification.is_some_and(|its| its.0 == notification)
            };
            let number = tables.events.iter().find(is_acceptance)?.detail.get(CERTIFICATE).and_then(Value::as_u64)?;
            tables.certificates.get(usize::try_from(number).ok()?.checked_sub(1)?).cloned()
        })
        .await
    }
}
