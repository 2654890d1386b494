//! Finds recipients by what an operator has in hand.
//!
//! Identifiers and contacts are found by keyed hashes, so that nothing is found by a part of it. A contact that was imported before
//! contacts had hashes is found through the deliveries that went to it.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::MaskedRecipient;
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::deliveries::{contacts_of, identifier_of};
use crate::console::pages::{PageError, require, see_other};
use crate::domain::access::Action;
use crate::domain::recipient::{Recipient, RecipientId};
use crate::store::reports::DeliveryFilter;
use crate::store::{Error, Store};

/// More than anything that can be found is long, in bytes.
const TEXT_MAX: usize = 256;

/// Recipients that are shown, at most: a company has one for each of its contacts.
const SHOWN_MAX: usize = 50;

/// Deliveries through which a contact is found.
const DELIVERIES: u32 = 100;

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
    let found = if text.is_empty() { Ok(Vec::new()) } else { recipients(&console.store, text).await? };
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

/// The recipients that the text names, or what is wrong with it.
async fn recipients(store: &Store, text: &str) -> Result<Result<Vec<Recipient>, String>, Error> {
    if text.len() > TEXT_MAX {
        return Ok(Err(format!("expected at most {TEXT_MAX} bytes")));
    }
    if let Some(reference) = text.strip_prefix("recipient:") {
        let directory = store.recipients();
        return Ok(Ok(directory.get(directory.id_of(reference.trim())?).await?.into_iter().collect()));
    }
    if let Some(identifier) = identifier_of(text) {
        return match identifier {
            Ok(identifier) => Ok(Ok(store.recipients().find(&identifier).await?)),
            Err(problem) => Ok(Err(problem)),
        };
    }
    let named = Uuid::try_parse(text).ok().filter(|_| text.contains('-')).map(RecipientId);
    let mut ids: BTreeSet<_> = named.or(store.recipient_of(text)?).into_iter().collect();
    let contacts = contacts_of(text);
    if ids.is_empty() && contacts.is_empty() {
        let expected = "expected an identifier such as storage_customer:1337, your own id as recipient:c-7, a phone number with its \
                        country code, an e-mail address, or the id of a recipient";
        return Ok(Err(expected.to_owned()));
    }
    for contact in &contacts {
        ids.extend(store.recipients().find_by_contact(contact).await?.into_iter().map(|recipient| recipient.id));
        let contact = Some(store.contact_hash(contact)?);
        let page =
            store.reports().deliveries(&DeliveryFilter { contact, ..DeliveryFilter::newest(DELIVERIES) }).await?;
        ids.extend(page.lines.iter().filter_map(|line| line.recipient).map(RecipientId));
    }
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        // One that has the contact no longer is not what was asked for.
        let recipient = store.recipients().get(id).await?;
        found
            .extend(recipient.filter(|it| contacts.is_empty() || it.contacts.iter().any(|own| contacts.contains(own))));
    }
    Ok(Ok(found))
}
