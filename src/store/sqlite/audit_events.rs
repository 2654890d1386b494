//! Audit events that belong to no change of a delivery.

use async_trait::async_trait;
use sqlx::{Connection, SqliteConnection};

use super::Sqlite;
use crate::domain::audit_event::AuditEvent;
use crate::store::{AuditEvents, Error};

#[async_trait]
impl AuditEvents for Sqlite {
    async fn record(&self, events: &[AuditEvent]) -> Result<(), Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                for event in events {
                    insert_event(&mut transaction, event).await?;
                }
                Ok(transaction.commit().await?)
            })
            .await
    }
}

/// Writes one audit event inside the caller's transaction.
pub(super) async fn insert_event(connection: &mut SqliteConnection, event: &AuditEvent) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO audit_event (at, actor, kind, notification_id, delivery_id, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(event.at.micros())
    .bind(event.actor.to_string())
    .bind(event.kind.name())
    .bind(event.notification.map(|id| id.0))
    .bind(event.delivery.map(|id| id.0))
    .bind(serde_json::to_string(&event.detail).unwrap_or_default())
    .execute(connection)
    .await?;
    Ok(())
}
