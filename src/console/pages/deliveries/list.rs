//! The list of deliveries, the newest first.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use serde::Serialize;
use strum::IntoEnumIterator;
use uuid::Uuid;

use super::search::{self, NotSearched, Search, SearchForm};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::{PageError, require, see_other};
use crate::domain::access::Action;
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::delivery::{DeliveryState, EndReason};
use crate::domain::notification::Kind;
use crate::domain::recipient::RecipientId;
use crate::flow::deliveries::query::InvalidField;
use crate::store::reports::{DeliveryFilter, DeliveryLine, DeliveryPage};
use crate::store::search::time_of;
use crate::store::{Error, Store};

/// Lines of a page.
const LINES: u32 = 50;

/// Deliveries that a search reads before it shows how far it has come, so that no page takes long.
const LOOKED_AT_MAX: u32 = 20_000;

/// A line of a list.
#[derive(Serialize)]
pub(in crate::console::pages) struct ListedDelivery {
    id: Uuid,
    received_at: Timestamp,
    kind: String,
    state: String,
    reason: Option<String>,
    last: Option<LastAttempt>,
    attempts: u32,
}

#[derive(Serialize)]
struct LastAttempt {
    channel: String,
    provider: String,
    contact: String,
}

impl LastAttempt {
    // Neither a channel nor a masked contact has a space.
    fn of(text: &str) -> Option<Self> {
        let (channel, rest) = text.split_once(' ')?;
        let (provider, contact) = rest.rsplit_once(' ')?;
        Some(Self { channel: channel.to_owned(), provider: provider.to_owned(), contact: contact.to_owned() })
    }
}

/// The lines as a page shows them.
pub(in crate::console::pages) fn rows(lines: Vec<DeliveryLine>) -> Vec<ListedDelivery> {
    let row = |line: DeliveryLine| ListedDelivery {
        id: line.id,
        received_at: line.received_at,
        kind: line.kind,
        state: line.state,
        reason: line.end_reason,
        last: line.last.as_deref().and_then(LastAttempt::of),
        attempts: line.attempts,
    };
    lines.into_iter().map(row).collect()
}

#[derive(Serialize)]
struct Choice {
    value: String,
    is_chosen: bool,
}

#[derive(Serialize)]
struct DeliveriesPage<'a> {
    form: &'a SearchForm,
    choices: Choices,
    /// The fields of the search, to repeat it in another form.
    fields: Vec<RepeatedField<'a>>,
    has_filters: bool,
    is_searched: bool,
    rows: Vec<ListedDelivery>,
    next: Option<String>,
    /// The search has read so many deliveries that it ended here.
    looked_back_to: Option<Timestamp>,
    unindexed: u64,
    recipients: Vec<RecipientId>,
    nothing: Option<String>,
    problem: Option<String>,
    problem_in: Option<&'static str>,
    may_export: bool,
}

#[derive(Serialize)]
struct RepeatedField<'a> {
    name: &'static str,
    value: &'a str,
}

#[derive(Serialize)]
struct Choices {
    kind: Vec<Choice>,
    state: Vec<Choice>,
    reason: Vec<Choice>,
    channel: Vec<Choice>,
    provider: Vec<Choice>,
}

pub(super) async fn list(
    console: Data<Console>,
    user: SignedIn,
    Query(form): Query<SearchForm>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewDeliveries).await?;
    let mut page = empty(&console, &user, &form);
    let mut status = StatusCode::OK;
    match search::read(&console, &form, LINES).await {
        Ok(Search::Delivery(id)) => return Ok(see_other(&format!("/deliveries/{id}"))),
        Ok(Search::Filters(filters)) => fill(&mut page, &console.store, &filters).await?,
        Ok(Search::Recipients(recipients)) => page.recipients = recipients,
        Ok(Search::Nothing(why)) => page.nothing = Some(why),
        Err(NotSearched::Field(InvalidField { name, problem })) => {
            status = StatusCode::UNPROCESSABLE_ENTITY;
            page.problem = Some(problem);
            page.problem_in = Some(name);
        }
        Err(NotSearched::Page(error)) => return Err(error),
    }
    let mut response = console.views.page("deliveries", "Deliveries", &user, &page);
    *response.status_mut() = status;
    Ok(response)
}

async fn fill(page: &mut DeliveriesPage<'_>, store: &Store, filters: &[DeliveryFilter]) -> Result<(), Error> {
    let found = first_found(store, filters).await?;
    let is_full = found.lines.len() >= LINES as usize;
    page.next = found.next.map(|id| page.form.going_on_before(id));
    page.looked_back_to = found.next.filter(|_| !is_full).map(time_of);
    page.unindexed = found.unindexed;
    page.rows = rows(found.lines);
    Ok(())
}

/// What the first filter finds that finds anything.
async fn first_found(store: &Store, filters: &[DeliveryFilter]) -> Result<DeliveryPage, Error> {
    let mut page = DeliveryPage { lines: Vec::new(), next: None, unindexed: 0 };
    for filter in filters {
        let bounded = DeliveryFilter { looked_at_max: LOOKED_AT_MAX, ..filter.clone() };
        page = store.reports().deliveries(&bounded).await?;
        if !page.lines.is_empty() {
            break;
        }
    }
    Ok(page)
}

fn empty<'a>(console: &Console, user: &SignedIn, form: &'a SearchForm) -> DeliveriesPage<'a> {
    let mut providers: Vec<_> = console.inspector.setup().profiles.iter().map(|it| it.provider.0.clone()).collect();
    // One that was removed from the configuration may have deliveries.
    if !form.provider.is_empty() && !providers.contains(&form.provider) {
        providers.push(form.provider.clone());
    }
    let choices = |names: Vec<String>, chosen: &str| {
        names.into_iter().map(|value| Choice { is_chosen: value == chosen, value }).collect()
    };
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let states: Vec<_> = DeliveryState::iter().map(DeliveryState::name).collect();
    let reasons: Vec<_> = EndReason::iter().map(EndReason::name).collect();
    let fields: Vec<_> = form.fields().into_iter().map(|(name, value)| RepeatedField { name, value }).collect();
    DeliveriesPage {
        choices: Choices {
            kind: choices(owned(&Kind::ALL.map(Kind::name)), &form.kind),
            state: choices(owned(&states), &form.state),
            reason: choices(owned(&reasons), &form.reason),
            channel: choices(owned(&Channel::ALL.map(Channel::name)), &form.channel),
            provider: choices(providers, &form.provider),
        },
        form,
        has_filters: fields.iter().any(|field| !matches!(field.name, "q" | "before")),
        is_searched: !fields.is_empty(),
        fields,
        rows: Vec::new(),
        next: None,
        looked_back_to: None,
        unindexed: 0,
        recipients: Vec::new(),
        nothing: None,
        problem: None,
        problem_in: None,
        may_export: user.may(Action::ExportDeliveries),
    }
}
