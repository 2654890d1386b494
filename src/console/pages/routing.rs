//! Routing: the plan of each kind, how a notification would reach a recipient, and, if they are edited here, the texts of plans,
//! limits and providers.

mod changes;
mod history;
mod text;

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Query, ServiceConfig};
use jiff::SignedDuration;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strum::IntoEnumIterator;

use super::templates::{acting, number, summary};
use super::{PageError, require};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::domain::access::Action;
use crate::domain::clock::Timestamp;
use crate::domain::notification::Kind;
use crate::domain::recipient::IdentifierKind;
use crate::domain::template_change::{ChangeError, TemplateChange};
use crate::domain::written::identifier;
use crate::domain::written::time::parse;
use crate::flow::explain::{CandidateExplanation, ExplainRequest, ExplainTarget, RecipientExplanation, ambiguity};
use crate::flow::inspector::{Answer, Question};
use crate::flow::{review, routing_publishing};
use crate::route::{Plan, Step};

/// The value of the field `by` for a phone number, an e-mail address or a push token.
const CONTACT: &str = "contact";

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .route("/routing", web::get().to(routing))
        .route("/routing/new", web::get().to(text::new))
        .route("/routing/text/{path:.+}", web::get().to(text::show))
        .route("/routing/text/{path:.+}", web::post().to(text::edit))
        .route("/routing/restore", web::post().to(history::restore))
        .route("/routing/changes", web::get().to(changes::list))
        .route("/routing/changes/{id}", web::get().to(changes::show))
        .route("/routing/changes/{id}/{step}", web::post().to(changes::step));
}

impl From<routing_publishing::Error> for PageError {
    fn from(error: routing_publishing::Error) -> Self {
        use review::Error as R;
        use routing_publishing::Error as E;
        let text = error.to_string();
        match error {
            E::Review(R::Forbidden(_)) => Self::Forbidden,
            E::Review(R::Change(ChangeError::OwnChange(_))) => Self::Denied(text),
            E::Review(R::Change(error)) if error.is_about_input() => Self::Invalid(text),
            E::FromFiles | E::Review(R::Change(_) | R::Conflict(_)) => Self::Conflict(text),
            E::Review(R::UnknownChange(_)) | E::UnknownVersion => Self::NotFound,
            E::Invalid(_) => Self::Invalid(text),
            E::Review(R::Store(error)) => Self::Store(error),
        }
    }
}

/// The change that a form or an address names; `None` for a new one.
async fn find(console: &Console, id: &str) -> Result<Option<TemplateChange>, PageError> {
    if id.is_empty() {
        return Ok(None);
    }
    console.store.routing_changes().change(number(id)?).await?.ok_or(PageError::NotFound).map(Some)
}

#[derive(Deserialize)]
struct AskedRoute {
    #[serde(default)]
    kind: String,
    /// `contact`, or the kind of an identifier.
    #[serde(default)]
    by: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    at: String,
}

#[derive(Serialize)]
struct RoutingPage {
    plans: Vec<PlanRow>,
    kinds: Vec<RouteChoice>,
    identifiers: Vec<RouteChoice>,
    value: String,
    at: String,
    zone: String,
    problem: Option<String>,
    is_asked: bool,
    kind: String,
    ambiguity: Option<String>,
    recipients: Vec<ExplainedRoute>,
    root: &'static str,
    is_source: bool,
    may_edit: bool,
    /// Those that wait.
    changes: Vec<Value>,
    texts: Vec<String>,
}

#[derive(Serialize)]
struct PlanRow {
    kind: &'static str,
    steps: Vec<String>,
    ttl: String,
    hedge_after: Option<String>,
    quiet_hours: Option<String>,
}

#[derive(Serialize)]
struct RouteChoice {
    value: &'static str,
    label: String,
    is_chosen: bool,
}

#[derive(Serialize)]
struct ExplainedRoute {
    locale: String,
    suppression: Option<String>,
    candidates: Vec<CandidateExplanation>,
    quiet_until: Option<Timestamp>,
    decision: String,
    deadline: Option<Timestamp>,
}

async fn routing(console: Data<Console>, user: SignedIn, asked: Query<AskedRoute>) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewProviders).await?;
    let is_asked = !asked.value.trim().is_empty();
    if is_asked {
        require(&console, &user, Action::ExplainRoute).await?;
    }
    let zone = console.inspector.templates.current().time_zone().clone();
    let explained = if is_asked { explain(&console, &asked, &zone).await } else { Ok(Vec::new()) };
    let (recipients, problem) = match explained {
        Ok(recipients) if is_asked && recipients.is_empty() => {
            (recipients, Some("No recipient has this identifier.".to_owned()))
        }
        Ok(recipients) => (recipients, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    let kind: Kind = asked.kind.parse().unwrap_or(Kind::Otp);
    let page = RoutingPage {
        plans: console.inspector.setup().policy.plans.all().map(plan_row).collect(),
        kinds: Kind::ALL.into_iter().map(|it| kind_choice(it, kind)).collect(),
        identifiers: identifier_choices(&asked.by),
        value: asked.value.clone(),
        at: asked.at.clone(),
        zone: zone.iana_name().unwrap_or("local time").to_owned(),
        problem,
        is_asked,
        kind: kind.name().to_owned(),
        ambiguity: ambiguity(recipients.len(), kind, console.inspector.setup().policy.recipients.otp_ambiguous),
        recipients: recipients.into_iter().map(|it| explained_route(it, kind)).collect(),
        root: "/routing",
        is_source: console.routing.is_source(),
        may_edit: user.may(Action::EditRouting),
        changes: console.store.routing_changes().waiting_changes().await?.iter().map(summary).collect(),
        texts: console.routing.live().keys().cloned().collect(),
    };
    Ok(console.views.page("provider_routing", "Routing", &user, &page))
}

async fn explain(console: &Console, asked: &AskedRoute, zone: &TimeZone) -> Result<Vec<RecipientExplanation>, String> {
    let kind: Kind = asked.kind.parse().map_err(|_| "Choose a kind of notification.".to_owned())?;
    let value = asked.value.trim();
    let target = if asked.by == CONTACT {
        ExplainTarget::contact(value, None).map_err(|error| error.to_string())?
    } else {
        let kind: IdentifierKind = asked.by.parse().map_err(|_| "Choose what the recipient is found by.".to_owned())?;
        ExplainTarget::Identifier(identifier::parse(kind, value).map_err(|error| error.to_string())?)
    };
    let at = arrival(&asked.at, console.clocks.wall.now(), zone)?;
    match console.inspector.answer(Question::Explain(ExplainRequest { kind, target, at })).await {
        Answer::Explained { recipients } => Ok(recipients),
        Answer::Refused { reason } => Err(reason),
        Answer::Providers { .. } | Answer::Config { .. } => Ok(Vec::new()),
    }
}

/// When the notification arrives: a time of today as people say it, or one of the forms of all pages. `None` for now.
fn arrival(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Option<Timestamp>, String> {
    let now = now.to_jiff().to_zoned(zone.clone());
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let today =
        Time::strptime("%H:%M", text).ok().and_then(|time| now.date().to_datetime(time).to_zoned(zone.clone()).ok());
    match today {
        Some(at) => Ok(Some(at.timestamp().into())),
        None => parse(text, &now).map(Some).map_err(|error| format!("{error}; or 22:30 for today")),
    }
}

fn plan_row(plan: &Plan) -> PlanRow {
    PlanRow {
        kind: plan.kind.name(),
        steps: plan.steps.iter().map(Step::to_string).collect(),
        ttl: written(plan.ttl),
        hedge_after: plan.hedge_after.map(written),
        quiet_hours: plan.quiet_hours.as_ref().map(ToString::to_string),
    }
}

/// A span as the configuration has it: `5m`.
fn written(span: Duration) -> String {
    SignedDuration::try_from(span).map(|span| format!("{span:#}")).unwrap_or_default()
}

fn kind_choice(kind: Kind, chosen: Kind) -> RouteChoice {
    RouteChoice { value: kind.name(), label: kind.name().replace('_', " "), is_chosen: kind == chosen }
}

fn identifier_choices(chosen: &str) -> Vec<RouteChoice> {
    let contact =
        RouteChoice { value: CONTACT, label: "Phone, e-mail or push token".to_owned(), is_chosen: chosen == CONTACT };
    let identifiers = IdentifierKind::iter().map(|kind| RouteChoice {
        value: kind.name(),
        label: format!("Identifier {}", kind.name()),
        is_chosen: chosen == kind.name(),
    });
    [contact].into_iter().chain(identifiers).collect()
}

fn explained_route(explanation: RecipientExplanation, kind: Kind) -> ExplainedRoute {
    let moment = |text: &str| text.parse::<jiff::Timestamp>().ok().map(Timestamp::from);
    ExplainedRoute {
        locale: explanation.locale.to_string(),
        suppression: explanation.suppression(kind),
        quiet_until: explanation.quiet_until.as_deref().and_then(moment),
        deadline: moment(&explanation.deadline),
        decision: explanation.decision,
        candidates: explanation.candidates,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_of_today_where_the_recipients_are() {
        let now: Timestamp = "2026-11-27T14:30:00Z".parse::<jiff::Timestamp>().unwrap().into();
        let zone = TimeZone::get("Europe/Warsaw").unwrap();
        let at = |text: &str| arrival(text, now, &zone).map(|at| at.map(|at| at.to_string()));
        assert_eq!(at("22:30"), Ok(Some("2026-11-27T21:30:00.000Z".to_owned())));
        assert_eq!(at("2026-11-28T07:00"), Ok(Some("2026-11-28T06:00:00.000Z".to_owned())));
        assert_eq!(at(" "), Ok(None));
        assert!(at("25:00").unwrap_err().contains("or 22:30 for today"));
    }
}
