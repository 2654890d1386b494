//! The fingerprint of the master key.

use async_trait::async_trait;
use uuid::Uuid;

use super::Sqlite;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::seal::KeyFingerprint;
use crate::store::seal_key::{SAMPLES, SampleContact, SealKeyRecord};

#[async_trait]
impl SealKeyRecord for Sqlite {
    async fn seal_key(&self) -> Result<Option<KeyFingerprint>, Error> {
        let query = sqlx::query_scalar("SELECT fingerprint FROM seal_key WHERE id = 1");
        let found: Option<Vec<u8>> = query.fetch_optional(&self.read).await?;
        let inconsistent = || Error::Inconsistent { table: "seal_key", id: "1".to_owned(), what: "fingerprint" };
        found.map(|bytes| bytes.try_into().map_err(|_| inconsistent())).transpose()
    }

    async fn record_seal_key(&self, fingerprint: &KeyFingerprint, at: Timestamp) -> Result<(), Error> {
        let text = "INSERT INTO seal_key (id, fingerprint, recorded_at) VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING";
        let query = sqlx::query(text).bind(fingerprint.as_slice()).bind(at.micros());
        query.execute(&mut *self.writing().await?).await?;
        Ok(())
    }

    async fn sample_contacts(&self) -> Result<Vec<SampleContact>, Error> {
        let text =
            "SELECT recipient_id, channel, sealed FROM contact WHERE recipient_id > x'' ORDER BY recipient_id LIMIT ?1";
        let query = sqlx::query_as(text).bind(i64::try_from(SAMPLES).unwrap_or(1));
        let rows: Vec<(Uuid, String, Vec<u8>)> = query.fetch_all(&self.read).await?;
        let sample = |(recipient, channel, sealed)| SampleContact { recipient, channel, sealed };
        Ok(rows.into_iter().map(sample).collect())
    }
}
