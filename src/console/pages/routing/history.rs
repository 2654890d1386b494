//! Earlier texts of routing: who changed them, when and why; and the way back to one.

use actix_web::HttpResponse;
use actix_web::web::{Data, Form};
use serde_json::Value;

use super::acting;
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::templates::{RestoreForm, published};
use crate::console::pages::{PageError, require, see_other};
use crate::domain::access::Action;

/// Makes a change with an older text.
pub(super) async fn restore(
    console: Data<Console>,
    user: SignedIn,
    form: Form<RestoreForm>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::EditRouting).await?;
    let id = console.routing.restore(acting(&user), form.seq).await?;
    Ok(see_other(&format!("/routing/changes/{id}?done=restored")))
}

/// The texts that were live at `path`, the newest first.
pub(super) async fn of_path(console: &Console, path: &str) -> Result<Vec<Value>, PageError> {
    published(&console.store.routing_changes(), path, "from the configuration file").await
}
