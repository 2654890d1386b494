//! Adding and removing passkeys on the page of one's own account.

use actix_web::web::{self, Data, Form, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::account::{proof, then_show};
use super::{SignedIn, cookie};
use crate::console::Console;
use crate::console::pages::PageError;

pub(super) fn routes(service: &mut ServiceConfig) {
    service.route("/account/passkeys", web::post().to(add)).route("/account/passkeys/remove", web::post().to(remove));
}

#[derive(Deserialize)]
struct PasskeyFields {
    password: String,
    name: String,
    /// What the authenticator answered.
    passkey: String,
}

#[derive(Deserialize)]
struct RemovalFields {
    password: String,
    id: String,
}

async fn add(console: Data<Console>, user: SignedIn, request: HttpRequest, form: Form<PasskeyFields>) -> HttpResponse {
    let (session, origin) = (user.session(), cookie::origin(&request, console.secure));
    let current = proof(&session, &form.password, &origin);
    let added = console.users.add_passkey(&current, &form.name, &form.passkey).await;
    then_show(&console, &user, added, "/account?done=passkey").await
}

async fn remove(
    console: Data<Console>,
    user: SignedIn,
    request: HttpRequest,
    form: Form<RemovalFields>,
) -> Result<HttpResponse, PageError> {
    let (session, origin) = (user.session(), cookie::origin(&request, console.secure));
    match console.users.remove_passkey(&proof(&session, &form.password, &origin), &form.id).await {
        Ok(false) => Err(PageError::NotFound),
        removed => Ok(then_show(&console, &user, removed.map(drop), "/account?done=no-passkey").await),
    }
}
