//! The client certificates that notifications were posted with. Each is stored once and has a number, which the audit event of
//! an acceptance names: whole certificates in each event would make the log a third longer.

use async_trait::async_trait;
use uuid::Uuid;

use super::Error;
use crate::domain::audit_event::AuditEvent;
use crate::domain::certificate_id::CertificateId;

/// The detail of an audit event that has the number of a certificate.
pub const CERTIFICATE: &str = "certificate";

/// The client certificates.
#[async_trait]
pub trait ClientCertificates: Send + Sync {
    /// The number of a certificate. A new one gets the next number, and `event` is written with it.
    async fn certificate_number(&self, certificate: &CertificateId, event: AuditEvent) -> Result<i64, Error>;
    /// The certificate that a notification was posted with, as its audit event says; `None` for what was accepted by an
    /// earlier version, and when the event was archived.
    async fn certificate_of(&self, notification: Uuid) -> Result<Option<CertificateId>, Error>;
}
