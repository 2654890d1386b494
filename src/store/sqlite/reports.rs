//! What lists and reports show. The queries run on the read-only connections and never wait for the writer.
//!
//! A table that grows is read in pages, each by a statement of its own, so that no read transaction is long: a long one
//! keeps pages in the write-ahead log. A row that changes between two pages may be counted twice or not at all.

use async_trait::async_trait;
use sqlx::Row;
use uuid::Uuid;

use super::Sqlite;
use super::json_rows::{Hex, array};
use crate::domain::clock::Timestamp;
use crate::domain::notification::{Kind, Priority};
use crate::domain::recipient::IdentifierKind;
use crate::store::reports::{
    Backlog, DeliveryDetail, DeliveryFilter, DeliveryLine, DeliveryPage, DeliverySender, EventLine, Figures, Reports,
    event, line,
};
use crate::store::seal::LookupHash;
use crate::store::{Error, delivery_search};

pub(super) const LINE: &str =
    "SELECT d.id, d.notification_id, d.kind, d.state, d.end_reason, d.received_at, d.expires_at,
    d.ended_at, d.recipient_id, n.client, n.idempotency_key, n.warnings,
    (SELECT count(*) FROM attempt AS a WHERE a.delivery_id = d.id) AS attempts,
    (SELECT a.channel || ' ' || a.provider || ' ' || a.masked_contact FROM attempt AS a
       WHERE a.delivery_id = d.id ORDER BY a.number DESC LIMIT 1) AS last
  FROM delivery AS d JOIN notification AS n ON n.id = d.notification_id ";

/// Rows in a page.
const PAGE: u32 = 10_000;

#[async_trait]
impl Reports for Sqlite {
    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<DeliveryPage, Error> {
        delivery_search::find(self, filter).await
    }

    async fn delivery(&self, id: Uuid) -> Result<Option<DeliveryDetail>, Error> {
        let text = format!("{LINE} WHERE d.id = ?1 OR d.notification_id = ?1 ORDER BY d.id = ?1 DESC LIMIT 1");
        let Some(row) = sqlx::query(sqlx::AssertSqlSafe(text)).bind(id).fetch_optional(&self.read).await? else {
            return Ok(None);
        };
        let line = line(&row)?;
        let rows = sqlx::query(
            "SELECT seq, at, actor, kind, detail FROM audit_event
               WHERE notification_id = ?1 AND (delivery_id IS NULL OR delivery_id = ?2) ORDER BY seq",
        )
        .bind(line.notification)
        .bind(line.id)
        .fetch_all(&self.read)
        .await?;
        let events = rows.iter().map(event).collect::<Result<Vec<_>, _>>()?;
        let attempts = self.attempts(&[line.id]).await?.remove(&line.id).unwrap_or_default();
        let others = sqlx::query_scalar("SELECT id FROM delivery WHERE notification_id = ?1 AND id <> ?2 ORDER BY id")
            .bind(line.notification)
            .bind(line.id)
            .fetch_all(&self.read)
            .await?;
        Ok(Some(DeliveryDetail { line, attempts, events, others }))
    }

    async fn senders(&self, deliveries: &[Uuid]) -> Result<Vec<DeliverySender>, Error> {
        let text = "SELECT d.id, d.kind, n.client, n.idempotency_key
            FROM json_each(?1) AS q CROSS JOIN delivery AS d ON d.id = unhex(q.value)
            CROSS JOIN notification AS n ON n.id = d.notification_id";
        let ids = array(deliveries.iter().map(|id| Hex(id.as_bytes())));
        let rows: Vec<(Uuid, String, String, Option<String>)> =
            sqlx::query_as(text).bind(ids).fetch_all(&self.read).await?;
        let sender =
            |(delivery, kind, client, idempotency_key)| DeliverySender { delivery, kind, client, idempotency_key };
        Ok(rows.into_iter().map(sender).collect())
    }

    async fn operators_looks(&self, delivery: &DeliveryLine) -> Result<Vec<EventLine>, Error> {
        // The second part uses the index of migration 0022.
        let text = "SELECT seq, at, actor, kind, detail FROM audit_event
              WHERE notification_id = ?1 AND kind = 'delivery_resent' AND detail->>'of' = ?2
            UNION ALL SELECT seq, at, actor, kind, detail FROM audit_event
              WHERE kind = 'recipient_exported' AND detail->>'recipient' = ?3
            ORDER BY seq";
        let recipient = delivery.recipient.map(|id| id.to_string());
        let query = sqlx::query(text).bind(delivery.notification).bind(delivery.id.to_string()).bind(recipient);
        query.fetch_all(&self.read).await?.iter().map(event).collect()
    }

    async fn publication(&self, change: i64) -> Result<Option<EventLine>, Error> {
        // By the index of migration 0027.
        let text = "SELECT seq, at, actor, kind, detail FROM audit_event
            WHERE kind = 'template_change_published' AND detail->>'change' = ?1 ORDER BY seq LIMIT 1";
        sqlx::query(text).bind(change).fetch_optional(&self.read).await?.as_ref().map(event).transpose()
    }

    async fn backlogs(&self) -> Result<[Backlog; 2], Error> {
        let page = "SELECT kind = ?1 AS is_otp, count(*) AS depth, min(received_at) AS oldest
            FROM delivery INDEXED BY delivery_due WHERE state = 'open' AND due_at > ?2 AND due_at <= ?3 GROUP BY 1";
        let mut backlogs = Priority::ALL.map(|priority| Backlog { priority, depth: 0, oldest: None });
        let mut after = i64::MIN;
        loop {
            let end = self.open_page_end(after).await?;
            let query = sqlx::query(page).bind(Kind::Otp.name()).bind(after).bind(end.unwrap_or(i64::MAX));
            for row in &query.fetch_all(&self.read).await? {
                let known = &mut backlogs[usize::from(!row.try_get::<bool, _>("is_otp")?)];
                let oldest = Timestamp::from_micros(row.try_get("oldest")?);
                known.depth += row.try_get::<u64, _>("depth")?;
                known.oldest = Some(known.oldest.map_or(oldest, |other| other.min(oldest)));
            }
            match end {
                Some(end) => after = end,
                None => return Ok(backlogs),
            }
        }
    }

    async fn rejections(&self, limit: u32) -> Result<Vec<EventLine>, Error> {
        // The index of migration 0013.
        let text = "SELECT seq, at, actor, kind, detail FROM audit_event
            WHERE kind = 'notification_rejected' AND at > 0 ORDER BY at DESC, seq DESC LIMIT ?1";
        let rows = sqlx::query(text).bind(limit).fetch_all(&self.read).await?;
        rows.iter().map(event).collect()
    }

    async fn shared_identifiers(&self) -> Result<u64, Error> {
        let page_end = "SELECT hash FROM identifier WHERE hash > ?1 ORDER BY hash LIMIT 1 OFFSET ?2";
        let page = "SELECT count(*) FROM (SELECT 1 FROM identifier WHERE hash > ?1 AND hash <= ?2 AND kind <> ?3
            GROUP BY hash HAVING count(*) > 1)";
        let (mut after, mut shared) = (Vec::new(), 0);
        loop {
            let query = sqlx::query_scalar(page_end).bind(&after).bind(PAGE);
            let end: Option<Vec<u8>> = query.fetch_optional(&self.read).await?;
            let to = end.clone().unwrap_or_else(|| vec![u8::MAX; size_of::<LookupHash>()]);
            let query = sqlx::query_scalar(page).bind(after).bind(to).bind(IdentifierKind::Corporation.name());
            shared += query.fetch_one(&self.read).await.map(|count: u64| count)?;
            match end {
                Some(end) => after = end,
                None => return Ok(shared),
            }
        }
    }

    async fn figures(&self) -> Result<Figures, Error> {
        let open = self.backlogs().await?.iter().map(|backlog| backlog.depth).sum();
        let version = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&self.read).await?;
        Ok(Figures { version, open, recipients: self.recipient_count().await? })
    }
}

impl Sqlite {
    async fn recipient_count(&self) -> Result<u64, Error> {
        let text = "SELECT count(*), max(id) FROM (SELECT id FROM recipient WHERE id > ?1 ORDER BY id LIMIT ?2)";
        let (mut all, mut after) = (0, Uuid::nil());
        loop {
            let query = sqlx::query_as(text).bind(after).bind(PAGE);
            let (count, last): (u64, Option<Uuid>) = query.fetch_one(&self.read).await?;
            all += count;
            match last {
                Some(last) if count == u64::from(PAGE) => after = last,
                _ => return Ok(all),
            }
        }
    }
}

impl Sqlite {
    /// Where a page of open deliveries ends, in the order in which they are due, behind those that are due at `after`; `None`
    /// for the last page.
    pub(super) async fn open_page_end(&self, after: i64) -> Result<Option<i64>, Error> {
        let text = "SELECT due_at FROM delivery INDEXED BY delivery_due WHERE state = 'open' AND due_at > ?1
            ORDER BY due_at LIMIT 1 OFFSET ?2";
        Ok(sqlx::query_scalar(text).bind(after).bind(PAGE).fetch_optional(&self.read).await?)
    }
}
