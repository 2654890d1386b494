//! Earlier texts of routing: who changed them, when and why; and the way back to one.

use actix_web::HttpResponse;
use actix_web::web::{Data, Form};
use serde_json::Value;

use super::acting;
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::templates::{RestoreForm, SHOWN_MAX, version_row};
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
    let changes = console.store.routing_changes();
    let versions = changes.text_versions(path, SHOWN_MAX).await?;
    let mut rows = Vec::new();
    for (at, version) in versions.iter().enumerate() {
        let change = match version.change {
            Some(id) => changes.change(id).await?,
            None => None,
        };
        let before = versions.get(at + 1).and_then(|before| before.text.as_deref());
        rows.push(version_row(version, before, change.as_ref(), at == 0, "from the configuration file"));
    }
    Ok(rows)
}
