//! Audit events, newest first, with filters in the address. A page reads a bounded number of events.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, Query};
use jiff::Zoned;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use strum::IntoEnumIterator;
use uuid::Uuid;

use super::words::{self, EventDetail};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::{PageError, require};
use crate::console::views::with_capital;
use crate::domain::access::Action;
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::Timestamp;
use crate::domain::notification::NotificationId;
use crate::domain::written::time::parse;
use crate::flow::audit_state::{AuditState, first_event_at};
use crate::store::audit_events::{EventFilter, EventPage, EventScope};
use crate::store::audit_tree::LoggedEvent;

/// Events on a page.
const PAGE: u32 = 50;

/// Events that a page reads at most to find those that match.
const LOOKED_AT_MAX: u32 = 20_000;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct AskedEvents {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    actor: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    /// The id of a delivery or of a notification.
    #[serde(default)]
    id: String,
    /// `all` for the events of notifications, too.
    #[serde(default)]
    scope: String,
    before: Option<i64>,
}

#[derive(Serialize)]
struct AuditPage {
    asked: AskedFields,
    kinds: Vec<KindChoice>,
    is_filtered: bool,
    problem: Option<String>,
    rows: Vec<EventRow>,
    next: Option<String>,
    /// Where a search stopped that found less than a page.
    looked_back_to: Option<Timestamp>,
    signed: u64,
    signed_at: Option<Timestamp>,
    waiting: u64,
    archived_to: Option<Timestamp>,
}

#[derive(Serialize)]
struct AskedFields {
    actor: String,
    from: String,
    to: String,
    id: String,
    all: bool,
}

#[derive(Serialize)]
struct KindChoice {
    value: &'static str,
    is_chosen: bool,
}

#[derive(Serialize)]
struct EventRow {
    index: i64,
    at: Timestamp,
    actor: String,
    what: String,
    details: Vec<EventDetail>,
    delivery: Option<Uuid>,
}

pub(super) async fn list(
    console: Data<Console>,
    user: SignedIn,
    asked: Query<AskedEvents>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewAudit).await?;
    let (page, problem) = match filter(&console, &asked).await? {
        Ok(filter) => (console.store.audit_events().find(&filter).await?, None),
        Err(problem) => (EventPage { events: Vec::new(), next: None }, Some(with_capital(&problem))),
    };
    let found = page.events.len();
    let looked_back_to = match page.next.filter(|_| found < PAGE as usize) {
        Some(next) => time_of(&console, next).await?,
        None => None,
    };
    let state = AuditState::read(&console.store).await?;
    let links = user.may(Action::ViewDeliveries);
    let shown = AuditPage {
        kinds: AuditKind::iter()
            .map(|kind| KindChoice { value: kind.name(), is_chosen: kind.name() == asked.kind })
            .collect(),
        is_filtered: is_filtered(&asked),
        problem,
        rows: page.events.into_iter().map(|event| row(event, links)).collect(),
        next: page.next.map(|before| address(&asked, before)),
        looked_back_to,
        signed: state.signed.as_ref().map_or(0, |it| it.size),
        signed_at: state.signed.map(|it| it.at),
        waiting: state.waiting,
        archived_to: state.archives.last().map(|it| it.to),
        asked: fields(asked.into_inner()),
    };
    Ok(console.views.page("audit", "Audit", &user, &shown))
}

fn is_filtered(asked: &AskedEvents) -> bool {
    let AskedEvents { kind, actor, from, to, id, scope, before: _ } = asked;
    [kind, actor, from, to, id, scope].iter().any(|text| !text.is_empty())
}

fn fields(asked: AskedEvents) -> AskedFields {
    let AskedEvents { actor, from, to, id, scope, kind: _, before: _ } = asked;
    AskedFields { actor, from, to, id, all: scope == "all" }
}

// Outside: the database failed. Inside: what was asked cannot be used.
async fn filter(console: &Console, asked: &AskedEvents) -> Result<Result<EventFilter, String>, PageError> {
    let now = console.clocks.wall.now().to_jiff().to_zoned(TimeZone::UTC);
    let scope = match scope(console, asked).await? {
        Ok(scope) => scope,
        Err(problem) => return Ok(Err(problem)),
    };
    let (from, to) = match (bound(&asked.from, &now), bound(&asked.to, &now)) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(problem), _) | (_, Err(problem)) => return Ok(Err(problem)),
    };
    let mut filter = EventFilter::newest(scope, PAGE);
    filter.looked_at_max = LOOKED_AT_MAX;
    filter.kind = text(&asked.kind);
    filter.actor = text(&asked.actor);
    if let Some(from) = from {
        filter.from = first_event_at(&console.store, from).await?;
    }
    if let Some(to) = to {
        filter.before = first_event_at(&console.store, to).await?;
    }
    if let Some(before) = asked.before {
        filter.before = filter.before.min(before);
    }
    Ok(Ok(filter))
}

async fn scope(console: &Console, asked: &AskedEvents) -> Result<Result<EventScope, String>, PageError> {
    let Some(id) = text(&asked.id) else {
        return Ok(Ok(if asked.scope == "all" { EventScope::All } else { EventScope::Operations }));
    };
    let Ok(id) = id.parse::<Uuid>() else {
        return Ok(Err("the id is that of a delivery or of a notification".to_owned()));
    };
    let delivery = console.store.reports().delivery(id).await?;
    Ok(match delivery {
        Some(delivery) => Ok(EventScope::Of(NotificationId(delivery.line.notification))),
        None => Err("no delivery and no notification has this id".to_owned()),
    })
}

fn text(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn bound(text: &str, now: &Zoned) -> Result<Option<Timestamp>, String> {
    if text.trim().is_empty() { Ok(None) } else { parse(text, now).map(Some) }
}

async fn time_of(console: &Console, number: i64) -> Result<Option<Timestamp>, PageError> {
    let index = u64::try_from(number - 1).unwrap_or(0);
    let event = console.store.audit_tree().logged_events(index, 1).await?.pop();
    Ok(event.map(|event| event.line.at))
}

fn address(asked: &AskedEvents, before: i64) -> String {
    let AskedEvents { kind, actor, from, to, id, scope, before: _ } = asked;
    let mut query = form_urlencoded::Serializer::new(String::new());
    let fields = [("kind", kind), ("actor", actor), ("from", from), ("to", to), ("id", id), ("scope", scope)];
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    format!("/audit?{}", query.append_pair("before", &before.to_string()).finish())
}

fn row(event: LoggedEvent, links: bool) -> EventRow {
    let LoggedEvent { line, delivery, notification: _ } = event;
    EventRow {
        index: line.seq - 1,
        at: line.at,
        actor: line.actor,
        what: words::sentence(&line.kind),
        details: words::details(&line.detail),
        delivery: delivery.filter(|_| links).and_then(|id| id.parse().ok()),
    }
}

/// How long an event may wait for its signature before the page calls it late.
pub(in crate::console::pages) const LATE: Duration = Duration::from_secs(30);
