//! The client certificates that notifications were posted with.

use async_trait::async_trait;
use sqlx::{Connection, Row};
use uuid::Uuid;

use super::Sqlite;
use super::audit_events::insert_event;
use crate::domain::audit_event::AuditEvent;
use crate::domain::certificate_id::CertificateId;
use crate::store::Error;
use crate::store::client_certificates::{CERTIFICATE, ClientCertificates};

#[async_trait]
impl ClientCertificates for Sqlite {
    async fn certificate_number(&self, certificate: &CertificateId, event: AuditEvent) -> Result<i64, Error> {
        let CertificateId { subject, serial, pin } = certificate;
        let known = "SELECT id FROM client_certificate WHERE serial = ?1 AND spki_pin = ?2";
        let known = sqlx::query_scalar(known).bind(serial).bind(pin);
        if let Some(number) = known.fetch_optional(&self.read).await? {
            return Ok(number);
        }
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                // Another request may have been faster: then the row is unchanged, and its event is written.
                let add = "INSERT INTO client_certificate (subject, serial, spki_pin) VALUES (?1, ?2, ?3)
                    ON CONFLICT (serial, spki_pin) DO NOTHING";
                let added = sqlx::query(add).bind(subject).bind(serial).bind(pin).execute(&mut *transaction).await?;
                let number = "SELECT id FROM client_certificate WHERE serial = ?1 AND spki_pin = ?2";
                let number = sqlx::query_scalar(number).bind(serial).bind(pin).fetch_one(&mut *transaction).await?;
                if added.rows_affected() == 1 {
                    insert_event(&mut transaction, &event.with(CERTIFICATE, number)).await?;
                }
                transaction.commit().await?;
                Ok(number)
            })
            .await
    }

    async fn certificate_of(&self, notification: Uuid) -> Result<Option<CertificateId>, Error> {
        let text = "SELECT c.subject, c.serial, c.spki_pin FROM audit_event AS e
            JOIN client_certificate AS c ON c.id = e.detail->>'certificate'
            WHERE e.notification_id = ?1 AND e.kind = 'accepted'";
        let Some(row) = sqlx::query(text).bind(notification).fetch_optional(&self.read).await? else { return Ok(None) };
        let (subject, serial) = (row.try_get("subject")?, row.try_get("serial")?);
        Ok(Some(CertificateId { subject, serial, pin: row.try_get("spki_pin")? }))
    }
}
