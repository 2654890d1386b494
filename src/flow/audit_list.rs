//! The audit log as documents: a list of events, and how far the log is signed. Commands print them, and the API answers them.

use jiff::Zoned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use strum::IntoEnumIterator;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::audit_state::{AuditState, first_event_at};
use super::deliveries::query::{InvalidField, QueryError};
use crate::domain::audit_event::AuditKind;
use crate::domain::notification::NotificationId;
use crate::domain::written::time::parse;
use crate::store::audit_events::{EventFilter, EventScope};
use crate::store::audit_tree::LoggedEvent;
use crate::store::{Error, Store};

/// Events of a list, when no other number is asked for.
const LIMIT: u32 = 50;

/// Events of a list, at most.
pub const LIMIT_MAX: u32 = 500;

/// Events that a list reads at most to find those that match.
const LOOKED_AT_MAX: u32 = 20_000;

/// Which events to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    /// Of this kind, such as `provider_drained`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// By this actor, such as `user:anna`, `token:ci` or `anna`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Since this time: RFC 3339, a date, or such as `2h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Of the notification with this id, or of the one of the delivery with this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `operations` for what operators and the gateway did (the default), or `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Only events before this number: the `next` of the list before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
    /// Events at most, 1 to 500.
    #[param(minimum = 1, maximum = 500)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Audit events, the newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventList {
    pub events: Vec<EventSummary>,
    /// The list goes on with `before` set to this; missing at its end.
    pub next: Option<i64>,
    /// Events until this time are archived and not listed.
    #[schema(format = DateTime)]
    pub archived_until: Option<String>,
}

/// An audit event in a list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventSummary {
    /// Its place in the log, from 0.
    pub index: i64,
    #[schema(format = DateTime)]
    pub at: String,
    pub actor: String,
    pub kind: String,
    /// Ids, names and numbers that explain it.
    #[schema(value_type = Object)]
    pub detail: Map<String, Value>,
}

impl From<&LoggedEvent> for EventSummary {
    fn from(event: &LoggedEvent) -> Self {
        let line = &event.line;
        Self {
            index: line.seq - 1,
            at: line.at.to_string(),
            actor: line.actor.clone(),
            kind: line.kind.clone(),
            detail: serde_json::from_str(&line.detail).unwrap_or_default(),
        }
    }
}

impl EventList {
    /// The events that match. Times without an offset are in the time zone of `now`.
    pub async fn read(store: &Store, query: &EventQuery, now: &Zoned) -> Result<Self, QueryError> {
        let page = store.audit_events().find(&query.filter(store, now).await?).await?;
        let archived = store.audit_archives().archives().await?.pop();
        Ok(Self {
            events: page.events.iter().map(EventSummary::from).collect(),
            next: page.next,
            archived_until: archived.map(|archive| archive.to.to_string()),
        })
    }
}

impl EventQuery {
    async fn filter(&self, store: &Store, now: &Zoned) -> Result<EventFilter, QueryError> {
        let mut filter = EventFilter::newest(self.scope(store).await?, self.limit.unwrap_or(LIMIT));
        filter.looked_at_max = LOOKED_AT_MAX;
        filter.kind.clone_from(&self.kind);
        filter.actor.clone_from(&self.actor);
        if self.kind.as_ref().is_some_and(|kind| AuditKind::iter().all(|it| it.name() != kind)) {
            return Err(InvalidField::new("kind", "no such kind of event").into());
        }
        let at = |name, text: &Option<String>| {
            let at = text.as_deref().map(|text| parse(text, now)).transpose();
            at.map_err(|problem| InvalidField::new(name, problem))
        };
        if let Some(from) = at("from", &self.from)? {
            filter.from = first_event_at(store, from).await?;
        }
        if let Some(to) = at("to", &self.to)? {
            filter.before = first_event_at(store, to).await?;
        }
        filter.before = filter.before.min(self.before.unwrap_or(i64::MAX));
        Ok(filter)
    }

    async fn scope(&self, store: &Store) -> Result<EventScope, QueryError> {
        if let Some(id) = &self.id {
            let id = Uuid::try_parse(id);
            let id = id.map_err(|_| InvalidField::new("id", "expected the id of a delivery or of a notification"))?;
            let delivery = store.reports().delivery(id).await?;
            let unknown = || InvalidField::new("id", "no delivery and no notification has this id");
            return Ok(EventScope::Of(NotificationId(delivery.ok_or_else(unknown)?.line.notification)));
        }
        match self.scope.as_deref() {
            None | Some("operations") => Ok(EventScope::Operations),
            Some("all") => Ok(EventScope::All),
            Some(_) => Err(InvalidField::new("scope", "expected operations or all").into()),
        }
    }
}

/// How far the log is signed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SignedState {
    /// Events that were moved into bundles.
    pub archived: u64,
    /// Events that are signed.
    pub signed: u64,
    #[schema(format = DateTime)]
    pub signed_at: Option<String>,
    /// Events that wait for their signature.
    pub waiting: u64,
    #[schema(format = DateTime)]
    pub oldest_waiting: Option<String>,
    /// The newest signed checkpoint.
    pub checkpoint: Option<String>,
}

impl SignedState {
    pub async fn read(store: &Store) -> Result<Self, Error> {
        AuditState::read(store).await.map(|state| Self::from(&state))
    }
}

impl From<&AuditState> for SignedState {
    fn from(AuditState { archives, signed, waiting, oldest_waiting }: &AuditState) -> Self {
        Self {
            archived: archives.last().map_or(0, |archive| archive.until),
            signed: signed.as_ref().map_or(0, |checkpoint| checkpoint.size),
            signed_at: signed.as_ref().map(|checkpoint| checkpoint.at.to_string()),
            waiting: *waiting,
            oldest_waiting: oldest_waiting.map(|at| at.to_string()),
            checkpoint: signed.as_ref().map(|checkpoint| checkpoint.note.clone()),
        }
    }
}
