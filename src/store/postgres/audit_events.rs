//! Audit events that belong to no change of a delivery, and lists of any. A list reads a bounded number of events, in the order
//! of their numbers: no index beyond those that the log has anyway costs a commit anything.

use async_trait::async_trait;

use super::Postgres;
use super::audit_tree::logged_event;
use super::commit::add_events;
use super::session::query;
use crate::domain::audit_event::AuditEvent;
use crate::store::audit_events::{EventFilter, EventPage, EventScope};
use crate::store::{AuditEvents, Error};

const EVENT_ROWS: &str = "SELECT seq, at, actor, kind, notification_id, delivery_id, detail";

const LOOKED_AT: &str = "SELECT min(seq), count(*)";

const OF_ALL: &str = "FROM (SELECT * FROM audit_event WHERE seq < $1 AND seq >= $2 ORDER BY seq DESC LIMIT $3) AS e";

const OF_OPERATIONS: &str = "FROM (SELECT * FROM audit_event
    WHERE notification_id IS NULL AND seq < $1 AND seq >= $2 ORDER BY seq DESC LIMIT $3) AS e";

const OF_NOTIFICATION: &str = "FROM (SELECT * FROM audit_event
    WHERE notification_id = $4 AND seq < $1 AND seq >= $2 ORDER BY seq DESC LIMIT $3) AS e";

const EVENT_MATCHES: &str = "WHERE ($4::uuid IS NULL OR notification_id = $4) AND ($5::text IS NULL OR kind = $5)
    AND ($6::text IS NULL OR actor = $6 OR substr(actor, strpos(actor, ':') + 1) = $6) ORDER BY seq DESC LIMIT $7";

#[async_trait]
impl AuditEvents for Postgres {
    async fn record(&self, events: &[AuditEvent]) -> Result<(), Error> {
        let mut session = self.writing().await?;
        add_events(&mut session, &events.iter().collect::<Vec<_>>()).await?;
        session.commit().await
    }

    async fn find(&self, filter: &EventFilter) -> Result<EventPage, Error> {
        let EventFilter { scope, kind, actor, before, from, limit, looked_at_max } = filter;
        let (found, looked_at) = match scope {
            EventScope::All => (format!("{EVENT_ROWS} {OF_ALL} {EVENT_MATCHES}"), format!("{LOOKED_AT} {OF_ALL}")),
            EventScope::Operations => {
                (format!("{EVENT_ROWS} {OF_OPERATIONS} {EVENT_MATCHES}"), format!("{LOOKED_AT} {OF_OPERATIONS}"))
            }
            EventScope::Of(_) => {
                (format!("{EVENT_ROWS} {OF_NOTIFICATION} {EVENT_MATCHES}"), format!("{LOOKED_AT} {OF_NOTIFICATION}"))
            }
        };
        // Without a filter every event that is read is found.
        let looked_at_max = if kind.is_none() && actor.is_none() { limit } else { looked_at_max };
        let notification = if let EventScope::Of(notification) = scope { Some(notification.0) } else { None };
        let looked = i64::from(*looked_at_max);
        let mut session = self.reading().await?;
        let statement = query(sqlx::AssertSqlSafe(found)).bind(before).bind(from).bind(looked).bind(notification);
        let statement = statement.bind(kind).bind(actor).bind(i64::from(*limit));
        let rows = session.rows(statement).await?;
        let events = rows.iter().map(logged_event).collect::<Result<Vec<_>, _>>()?;
        let next = match events.last() {
            Some(last) if events.len() == *limit as usize => Some(last.line.seq),
            _ => {
                let statement = query(sqlx::AssertSqlSafe(looked_at)).bind(before).bind(from).bind(looked);
                let statement = if notification.is_some() { statement.bind(notification) } else { statement };
                let (least, count): (Option<i64>, i64) = session.one(statement).await?;
                least.filter(|_| count == looked)
            }
        };
        Ok(EventPage { events, next })
    }
}
