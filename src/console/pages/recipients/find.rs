//! Finds recipients by what an operator has in hand.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use serde::{Deserialize, Serialize};

use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::{PageError, require, see_other};
use crate::domain::access::Action;
use crate::flow::recipient_search::{self, MaskedRecipient, contacts_of};

/// Recipients that are shown, at most: a company has one for each of its contacts.
const SHOWN_MAX: usize = 50;

#[derive(Deserialize)]
pub(super) struct FindForm {
    #[serde(default)]
    q: String,
    #[serde(default)]
    done: String,
}

#[derive(Serialize)]
struct RecipientsPage {
    q: String,
    done: Option<&'static str>,
    problem: Option<String>,
    is_searched: bool,
    is_contact: bool,
    recipients: Vec<MaskedRecipient>,
    more: usize,
    may_import: bool,
}

pub(super) async fn find(
    console: Data<Console>,
    user: SignedIn,
    Query(form): Query<FindForm>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewRecipients).await?;
    let text = form.q.trim();
    let found = if text.is_empty() { Ok(Vec::new()) } else { recipient_search::find(&console.store, text).await? };
    if let Ok([only]) = found.as_deref() {
        return Ok(see_other(&format!("/recipients/{}", only.id)));
    }
    let (found, problem) = found.map_or_else(|problem| (Vec::new(), Some(problem)), |found| (found, None));
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = RecipientsPage {
        is_searched: !text.is_empty(),
        is_contact: !contacts_of(text).is_empty(),
        recipients: found.iter().take(SHOWN_MAX).map(MaskedRecipient::from).collect(),
        more: found.len().saturating_sub(SHOWN_MAX),
        problem,
        may_import: user.may(Action::ImportRecipients),
        done: (form.done == "erased").then_some("The recipient is erased, with all identifiers and contacts."),
        q: form.q,
    };
    let mut response = console.views.page("recipients", "Recipients", &user, &page);
    *response.status_mut() = status;
    Ok(response)
}
