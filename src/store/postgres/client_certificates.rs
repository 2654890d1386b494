//! The client certificates that notifications were posted with.

use async_trait::async_trait;
use uuid::Uuid;

use super::Postgres;
use super::commit::add_events;
use super::commit_rows::storable;
use super::session::query;
use crate::domain::audit_event::AuditEvent;
use crate::domain::certificate_id::CertificateId;
use crate::store::Error;
use crate::store::client_certificates::{CERTIFICATE, ClientCertificates};

const NUMBER: &str = "SELECT id FROM client_certificate WHERE serial = $1 AND spki_pin = $2";

#[async_trait]
impl ClientCertificates for Postgres {
    async fn certificate_number(&self, certificate: &CertificateId, event: AuditEvent) -> Result<i64, Error> {
        let CertificateId { subject, serial, pin } = certificate;
        let known = self.reading().await?.first(query(NUMBER).bind(serial).bind(pin)).await?;
        if let Some((number,)) = known {
            return Ok(number);
        }
        let mut session = self.writing().await?;
        // Another request may have been faster: then the row is unchanged, and its event is written.
        let add = "INSERT INTO client_certificate (subject, serial, spki_pin) VALUES ($1, $2, $3)
            ON CONFLICT (serial, spki_pin) DO NOTHING";
        let added = session.execute(query(add).bind(storable(subject)).bind(serial).bind(pin)).await?;
        let (number,): (i64,) = session.one(query(NUMBER).bind(serial).bind(pin)).await?;
        if added == 1 {
            add_events(&mut session, &[&event.with(CERTIFICATE, number)]).await?;
        }
        session.commit().await?;
        Ok(number)
    }

    async fn certificate_of(&self, notification: Uuid) -> Result<Option<CertificateId>, Error> {
        let text = "SELECT c.subject, c.serial, c.spki_pin FROM audit_event AS e
            JOIN client_certificate AS c ON c.id = (e.detail::jsonb->>'certificate')::bigint
            WHERE e.notification_id = $1 AND e.kind = 'accepted'";
        let found: Option<(String, String, String)> =
            self.reading().await?.first(query(text).bind(notification)).await?;
        Ok(found.map(|(subject, serial, pin)| CertificateId { subject, serial, pin }))
    }
}
