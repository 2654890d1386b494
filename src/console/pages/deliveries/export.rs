//! A search as CSV, page by page, so that memory does not grow with it.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data, Form};
use futures_util::stream;

use super::search::{self, NotSearched, Search, SearchForm};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::{PageError, attachment, require};
use crate::domain::access::Action;
use crate::flow::deliveries::csv;
use crate::flow::deliveries::listing::DeliverySummary;
use crate::flow::deliveries::query::InvalidField;
use crate::flow::disclosure;
use crate::store::Error;
use crate::store::reports::DeliveryFilter;

/// Lines that are read at once.
const PAGE: u32 = 1_000;

/// Lines of a file, at most.
const LINES_MAX: usize = 100_000;

pub(super) async fn export(
    console: Data<Console>,
    user: SignedIn,
    Form(form): Form<SearchForm>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ExportDeliveries).await?;
    // A list from its beginning, wherever the page was.
    let form = SearchForm { before: String::new(), ..form };
    let filters = match search::read(&console, &form, PAGE).await {
        Ok(Search::Filters(filters)) => filters,
        Ok(Search::Delivery(_) | Search::Recipients(_) | Search::Nothing(_)) => {
            return Err(PageError::Invalid(
                "this search is no list of deliveries; change it and export again".to_owned(),
            ));
        }
        Err(NotSearched::Field(InvalidField { name, problem })) => {
            return Err(PageError::Invalid(format!("{name}: {problem}")));
        }
        Err(NotSearched::Page(error)) => return Err(error),
    };
    let filter = chosen(&console, filters).await?;
    let names: Vec<_> = form.fields().into_iter().map(|(name, _)| name).collect();
    disclosure::record_export(&console.store, &names, user.actor(), console.clocks.steady.now()).await?;
    let reading = ListExport { console, filter, lines: 0, is_begun: false };
    let rows = stream::try_unfold(Some(reading), next);
    Ok(attachment("deliveries.csv", "text/csv; charset=utf-8").streaming(rows))
}

// The filter that finds something, as on the page.
async fn chosen(console: &Console, filters: Vec<DeliveryFilter>) -> Result<DeliveryFilter, Error> {
    let mut chosen = DeliveryFilter::newest(PAGE);
    for filter in filters {
        let one = DeliveryFilter { limit: 1, ..filter.clone() };
        chosen = filter;
        if !console.store.reports().deliveries(&one).await?.lines.is_empty() {
            break;
        }
    }
    Ok(chosen)
}

struct ListExport {
    console: Data<Console>,
    filter: DeliveryFilter,
    lines: usize,
    is_begun: bool,
}

async fn next(reading: Option<ListExport>) -> Result<Option<(Bytes, Option<ListExport>)>, Error> {
    let Some(mut reading) = reading else { return Ok(None) };
    let page = reading.console.store.reports().deliveries(&reading.filter).await?;
    let mut text = if reading.is_begun { String::new() } else { csv::head() };
    text += &csv::rows(&page.lines.iter().map(DeliverySummary::from).collect::<Vec<_>>());
    reading.lines += page.lines.len();
    reading.is_begun = true;
    reading.filter.before = page.next;
    let rest = match page.next {
        None => None,
        Some(_) if reading.lines >= LINES_MAX => {
            let _ = write!(text, "this file ends after {LINES_MAX} lines and there are more: narrow the search\r\n");
            None
        }
        Some(_) => Some(reading),
    };
    Ok(Some((Bytes::from(text), rest)))
}
