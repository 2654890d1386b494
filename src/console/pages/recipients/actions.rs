//! What may be done with the data of a recipient. Each is an audit event with the operator's name, recorded before anything is
//! shown or written.

use actix_web::HttpResponse;
use actix_web::web::{Data, Form, Path};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::{PageError, attachment, require, see_other};
use crate::domain::access::Action;
use crate::domain::recipient::RecipientId;
use crate::flow::disclosure::{NotRevealed, reveal_contacts};
use crate::flow::recipient_export;
use crate::flow::recipient_search::MaskedRecipient;
use crate::store::reason_line;

#[derive(Deserialize)]
pub(super) struct ReasonForm {
    #[serde(default)]
    reason: String,
    /// `yes` once it is confirmed.
    #[serde(default)]
    confirmed: String,
}

#[derive(Serialize)]
struct RevealedPage {
    id: Uuid,
    contacts: Vec<ClearContact>,
}

#[derive(Serialize)]
struct ClearContact {
    channel: &'static str,
    contact: String,
}

/// Shows the contacts in the answer itself: it is never kept, and a reload asks again.
pub(super) async fn show_in_clear(
    console: Data<Console>,
    user: SignedIn,
    id: Path<Uuid>,
    Form(form): Form<ReasonForm>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::RevealContact).await?;
    let (recipient, at) = (RecipientId(*id), console.clocks.steady.now());
    let contacts = match reveal_contacts(&console.store, recipient, &form.reason, user.actor(), at).await {
        Ok(contacts) => contacts,
        Err(error @ NotRevealed::NoReason) => return Err(PageError::Invalid(error.to_string())),
        Err(NotRevealed::Unknown) => return Err(PageError::NotFound),
        Err(NotRevealed::Store(error)) => return Err(error.into()),
    };
    let clear = contacts
        .iter()
        .map(|contact| ClearContact { channel: contact.channel().name(), contact: contact.expose().to_owned() });
    let page = RevealedPage { id: *id, contacts: clear.collect() };
    Ok(console.views.page("recipient_revealed", "Contacts in clear", &user, &page))
}

pub(super) async fn export(console: Data<Console>, user: SignedIn, id: Path<Uuid>) -> Result<HttpResponse, PageError> {
    use recipient_export::Error;
    require(&console, &user, Action::ExportRecipient).await?;
    let recipient = console.store.recipients().get(RecipientId(*id)).await?.ok_or(PageError::NotFound)?;
    let at = console.clocks.steady.now();
    let (data, _) = match recipient_export::export(&console.store, &recipient, user.actor(), at).await {
        Ok(data) => data,
        Err(Error::Store(error)) => return Err(error.into()),
        Err(error @ Error::Incomplete(_)) => return Err(PageError::Conflict(error.to_string())),
    };
    Ok(attachment("recipient.json", "application/json").body(format!("{data:#}\n")))
}

#[derive(Serialize)]
struct ErasurePage {
    recipient: MaskedRecipient,
}

pub(super) async fn confirm_erasure(
    console: Data<Console>,
    user: SignedIn,
    id: Path<Uuid>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::EraseRecipient).await?;
    let recipient = console.store.recipients().get(RecipientId(*id)).await?.ok_or(PageError::NotFound)?;
    let page = ErasurePage { recipient: MaskedRecipient::from(&recipient) };
    Ok(console.views.page("recipient_erase", "Erase a recipient", &user, &page))
}

pub(super) async fn erase(
    console: Data<Console>,
    user: SignedIn,
    id: Path<Uuid>,
    Form(form): Form<ReasonForm>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::EraseRecipient).await?;
    if form.confirmed != "yes" {
        return Err(PageError::Invalid("confirm that the recipient is to be erased; it cannot be undone".to_owned()));
    }
    let reason = reason_line(&form.reason).ok_or_else(|| PageError::Invalid(NotRevealed::NoReason.to_string()))?;
    let recipients = console.store.recipients().on_behalf_of(user.actor(), Some(&reason));
    if !recipients.erase(RecipientId(*id), console.clocks.steady.now()).await? {
        return Err(PageError::NotFound);
    }
    Ok(see_other("/recipients?done=erased"))
}
