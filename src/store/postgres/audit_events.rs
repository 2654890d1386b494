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

const OF_ALL: &str = "(SELECT * FROM audit_event WHERE seq < $1 AND seq >= $2 ORDER BY seq DESC LIMIT $3) AS e";

const OF_OPERATIONS: &str = "(SELECT * FROM audit_event
    WHERE notification_id IS NULL AND seq < $1 AND seq >= $2 ORDER BY seq DESC LIMIT $3) AS e";

const OF_NOTIFICATION: &str = "(SELECT * FROM audit_event
    WHERE notification_id = $4 AND seq < $1 AND seq >= $2 ORDER BY seq DESC LIMIT $3) AS e";

#[async_trait]
impl AuditEvents for Postgres {
    async fn record(&self, events: &[AuditEvent]) -> Result<(), Error> {
        let mut session = self.writing().await?;
        add_events(&mut session, &events.iter().collect::<Vec<_>>()).await?;
        session.commit().await
    }

    async fn find(&self, filter: &EventFilter) -> Result<EventPage, Error> {
        let EventFilter { scope, kind, actor, before, from, limit, looked_at_max } = filter;
        let (source, of, next) = match scope {
            EventScope::All => (OF_ALL, None, 4),
            EventScope::Operations => (OF_OPERATIONS, None, 4),
            EventScope::Of(notification) => (OF_NOTIFICATION, Some(notification.0), 5),
        };
        let [k, a, l] = [next, next + 1, next + 2];
        let found = format!(
            "SELECT seq, at, actor, kind, notification_id, delivery_id, detail FROM {source}
               WHERE (${k}::text IS NULL OR kind = ${k})
                 AND (${a}::text IS NULL OR actor = ${a} OR substr(actor, strpos(actor, ':') + 1) = ${a})
               ORDER BY seq DESC LIMIT ${l}"
        );
        let looked_at = format!("SELECT min(seq), count(*) FROM {source}");
        // Without a filter every event that is read is found.
        let looked_at_max = if kind.is_none() && actor.is_none() { limit } else { looked_at_max };
        let in_scope = |text: String| {
            let statement = query(sqlx::AssertSqlSafe(text)).bind(before).bind(from).bind(i64::from(*looked_at_max));
            if of.is_some() { statement.bind(of) } else { statement }
        };
        let mut session = self.reading().await?;
        let statement = in_scope(found).bind(kind).bind(actor).bind(i64::from(*limit));
        let rows = session.rows(statement).await?;
        let events = rows.iter().map(logged_event).collect::<Result<Vec<_>, _>>()?;
        let next = match events.last() {
            Some(last) if events.len() == *limit as usize => Some(last.line.seq),
            _ => {
                let (least, count): (Option<i64>, i64) = session.one(in_scope(looked_at)).await?;
                least.filter(|_| count == i64::from(*looked_at_max))
            }
        };
        Ok(EventPage { events, next })
    }
}
