//! One recipient: what is known of it, with masked contacts, and its latest deliveries.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use serde::Serialize;
use uuid::Uuid;

use crate::console::Console;
use crate::console::access::{DoneQuery, SignedIn};
use crate::console::pages::deliveries::{ListedDelivery, rows};
use crate::console::pages::{PageError, require};
use crate::domain::access::Action;
use crate::domain::recipient::{RecipientId, RecipientStatus};
use crate::flow::recipient_search::MaskedRecipient;
use crate::store::reports::DeliveryFilter;

/// Deliveries that are shown.
const DELIVERIES: u32 = 20;

#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "what a template asks for")]
struct OneRecipient {
    recipient: MaskedRecipient,
    /// Its name in the log.
    hash: String,
    meaning: &'static str,
    rows: Vec<ListedDelivery>,
    has_more: bool,
    done: &'static str,
    may_edit: bool,
    may_reveal: bool,
    may_export: bool,
    may_erase: bool,
}

pub(super) async fn show(
    console: Data<Console>,
    user: SignedIn,
    id: Path<Uuid>,
    query: Query<DoneQuery>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewRecipients).await?;
    let id = RecipientId(*id);
    let recipient = console.store.recipients().get(id).await?.ok_or(PageError::NotFound)?;
    let filter = DeliveryFilter { recipient: Some(id), ..DeliveryFilter::newest(DELIVERIES) };
    let page = console.store.reports().deliveries(&filter).await?;
    let page = OneRecipient {
        hash: console.store.recipient_hash(id),
        meaning: meaning(recipient.status),
        recipient: MaskedRecipient::from(&recipient),
        rows: rows(page.lines),
        has_more: page.next.is_some(),
        done: if query.done == "changed" {
            "The settings are changed. They count from the next delivery on."
        } else {
            ""
        },
        may_edit: user.may(Action::EditRecipient),
        may_reveal: user.may(Action::RevealContact),
        may_export: user.may(Action::ExportRecipient),
        may_erase: user.may(Action::EraseRecipient),
    };
    Ok(console.views.page("recipient", "Recipient", &user, &page))
}

pub(super) const fn meaning(status: RecipientStatus) -> &'static str {
    match status {
        RecipientStatus::Active => "gets all notifications",
        RecipientStatus::OptedOut => {
            "gets codes, and locks for a lost or stolen card or suspected fraud, and nothing else"
        }
        RecipientStatus::Blocked | RecipientStatus::Deceased => "gets nothing",
    }
}
