//! What lists and reports show.
//!
//! A table that grows is read in pages, each by a statement of its own, so that no read is long: a long one keeps dead rows
//! from being removed. A row that changes between two pages may be counted twice or not at all.

use async_trait::async_trait;
use uuid::Uuid;

use super::Postgres;
use super::session::query;
use crate::domain::clock::Timestamp;
use crate::domain::notification::{Kind, Priority};
use crate::domain::recipient::IdentifierKind;
use crate::store::columns::natural;
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
impl Reports for Postgres {
    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<DeliveryPage, Error> {
        delivery_search::find(self, filter).await
    }

    async fn delivery(&self, id: Uuid) -> Result<Option<DeliveryDetail>, Error> {
        let mut session = self.reading().await?;
        let text = format!(
            "{LINE} WHERE d.id = coalesce((SELECT id FROM delivery WHERE id = $1),
               (SELECT id FROM delivery WHERE notification_id = $1 ORDER BY id LIMIT 1))"
        );
        let Some(row) = session.row(query(sqlx::AssertSqlSafe(text)).bind(id)).await? else { return Ok(None) };
        let line = line(&row)?;
        let text = "SELECT seq, at, actor, kind, detail FROM audit_event
            WHERE notification_id = $1 AND (delivery_id IS NULL OR delivery_id = $2) ORDER BY seq";
        let rows = session.rows(query(text).bind(line.notification).bind(line.id)).await?;
        let events = rows.iter().map(event).collect::<Result<Vec<_>, _>>()?;
        let text = "SELECT id FROM delivery WHERE notification_id = $1 AND id <> $2 ORDER BY id";
        let others: Vec<(Uuid,)> = session.all(query(text).bind(line.notification).bind(line.id)).await?;
        drop(session);
        let attempts = self.attempts(&[line.id]).await?.remove(&line.id).unwrap_or_default();
        Ok(Some(DeliveryDetail { line, attempts, events, others: others.into_iter().map(|(id,)| id).collect() }))
    }

    async fn senders(&self, deliveries: &[Uuid]) -> Result<Vec<DeliverySender>, Error> {
        let text = "SELECT d.id, d.kind, n.client, n.idempotency_key
            FROM unnest($1::uuid[]) AS q (id) JOIN delivery AS d ON d.id = q.id
            JOIN notification AS n ON n.id = d.notification_id";
        let mut session = self.reading().await?;
        let rows: Vec<(Uuid, String, String, Option<String>)> = session.all(query(text).bind(deliveries)).await?;
        let sender =
            |(delivery, kind, client, idempotency_key)| DeliverySender { delivery, kind, client, idempotency_key };
        Ok(rows.into_iter().map(sender).collect())
    }

    async fn operators_looks(&self, delivery: &DeliveryLine) -> Result<Vec<EventLine>, Error> {
        // The second part has an index of its own.
        let text = "SELECT seq, at, actor, kind, detail FROM audit_event
              WHERE notification_id = $1 AND kind = 'delivery_resent' AND detail::jsonb->>'of' = $2
            UNION ALL SELECT seq, at, actor, kind, detail FROM audit_event
              WHERE kind = 'recipient_exported' AND detail::jsonb->>'recipient' = $3
            ORDER BY seq";
        let recipient = delivery.recipient.map(|id| id.to_string());
        let statement = query(text).bind(delivery.notification).bind(delivery.id.to_string()).bind(recipient);
        self.reading().await?.rows(statement).await?.iter().map(event).collect()
    }

    async fn publication(&self, change: i64) -> Result<Option<EventLine>, Error> {
        let text = "SELECT seq, at, actor, kind, detail FROM audit_event
            WHERE kind = 'template_change_published' AND detail::jsonb->>'change' = $1 ORDER BY seq LIMIT 1";
        let statement = query(text).bind(change.to_string());
        self.reading().await?.row(statement).await?.as_ref().map(event).transpose()
    }

    async fn backlogs(&self) -> Result<[Backlog; 2], Error> {
        let page = "SELECT kind = $1, count(*), min(received_at)
            FROM delivery WHERE state = 'open' AND due_at > $2 AND due_at <= $3 GROUP BY 1";
        let mut backlogs = Priority::ALL.map(|priority| Backlog { priority, depth: 0, oldest: None });
        let mut after = i64::MIN;
        loop {
            let end = self.open_page_end(after).await?;
            let statement = query(page).bind(Kind::Otp.name()).bind(after).bind(end.unwrap_or(i64::MAX));
            for (is_otp, depth, oldest) in self.reading().await?.all::<(bool, i64, i64)>(statement).await? {
                let known = &mut backlogs[usize::from(!is_otp)];
                let oldest = Timestamp::from_micros(oldest);
                known.depth += natural(depth);
                known.oldest = Some(known.oldest.map_or(oldest, |other| other.min(oldest)));
            }
            match end {
                Some(end) => after = end,
                None => return Ok(backlogs),
            }
        }
    }

    async fn rejections(&self, limit: u32) -> Result<Vec<EventLine>, Error> {
        let text = "SELECT seq, at, actor, kind, detail FROM audit_event
            WHERE kind = 'notification_rejected' AND at > 0 ORDER BY at DESC, seq DESC LIMIT $1";
        let rows = self.reading().await?.rows(query(text).bind(i64::from(limit))).await?;
        rows.iter().map(event).collect()
    }

    async fn shared_identifiers(&self) -> Result<u64, Error> {
        let page_end = "SELECT hash FROM identifier WHERE hash > $1 ORDER BY hash LIMIT 1 OFFSET $2";
        let page = "SELECT count(*) FROM (SELECT 1 FROM identifier WHERE hash > $1 AND hash <= $2 AND kind <> $3
            GROUP BY hash HAVING count(*) > 1) AS shared";
        let (mut after, mut shared) = (Vec::new(), 0);
        loop {
            let mut session = self.reading().await?;
            let end: Option<(Vec<u8>,)> = session.first(query(page_end).bind(&after).bind(i64::from(PAGE))).await?;
            let end = end.map(|(hash,)| hash);
            let to = end.clone().unwrap_or_else(|| vec![u8::MAX; size_of::<LookupHash>()]);
            let statement = query(page).bind(&after).bind(&to).bind(IdentifierKind::Corporation.name());
            shared += natural(session.one::<(i64,)>(statement).await?.0);
            match end {
                Some(end) => after = end,
                None => return Ok(shared),
            }
        }
    }

    async fn figures(&self) -> Result<Figures, Error> {
        let open = self.backlogs().await?.iter().map(|backlog| backlog.depth).sum();
        let text = "SELECT current_setting('server_version')";
        let (version,): (String,) = self.reading().await?.one(query(text)).await?;
        Ok(Figures { version, open, recipients: self.recipient_count().await? })
    }
}

impl Postgres {
    async fn recipient_count(&self) -> Result<u64, Error> {
        let text = "SELECT count(*), (array_agg(id ORDER BY id DESC))[1]
            FROM (SELECT id FROM recipient WHERE id > $1 ORDER BY id LIMIT $2) AS page";
        let (mut all, mut after) = (0, Uuid::nil());
        loop {
            let statement = query(text).bind(after).bind(i64::from(PAGE));
            let (count, last): (i64, Option<Uuid>) = self.reading().await?.one(statement).await?;
            all += natural(count);
            match last {
                Some(last) if count == i64::from(PAGE) => after = last,
                _ => return Ok(all),
            }
        }
    }

    /// Where a page of open deliveries ends, in the order in which they are due, behind those that are due at `after`; `None`
    /// for the last page.
    pub(super) async fn open_page_end(&self, after: i64) -> Result<Option<i64>, Error> {
        let text = "SELECT due_at FROM delivery WHERE state = 'open' AND due_at > $1 ORDER BY due_at LIMIT 1 OFFSET $2";
        let found: Option<(i64,)> = self.reading().await?.first(query(text).bind(after).bind(i64::from(PAGE))).await?;
        Ok(found.map(|(due_at,)| due_at))
    }
}
