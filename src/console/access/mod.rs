//! Who is signed in, and what they may do.
//!
//! `guard` stands before every route: without a session only the paths in [`PUBLIC`] answer, and nothing is changed by a request
//! of another site. The pages here are those to sign in, to be set up, and to manage one's own account and other users.

mod account;
mod cookie;
mod guard;
mod passkeys;
mod qr_code;
mod sign_in;
mod sign_on;
mod signed_in;
mod token_pages;
mod user_pages;
mod welcome;

use actix_web::web::ServiceConfig;
use serde::Deserialize;

pub(super) use guard::{HTTPS_ONLY, UPLOAD_MAX, guard};
pub(super) use sign_on::CALLBACK;
pub(super) use signed_in::SignedIn;

/// The paths that answer without a session.
const PUBLIC: [&str; 6] = [sign_in::PATH, welcome::PATH, "/assets/", sign_on::PATH, CALLBACK, sign_on::LOGOUT];

/// What was just done, as one of a few words that a page turns into a sentence.
#[derive(Deserialize)]
pub(super) struct DoneQuery {
    #[serde(default)]
    pub(super) done: String,
}

/// The pages to sign in and out, of one's own account, of API tokens, and of all users.
pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .configure(sign_in::routes)
        .configure(sign_on::routes)
        .configure(welcome::routes)
        .configure(account::routes)
        .configure(passkeys::routes)
        .configure(token_pages::routes)
        .configure(user_pages::routes);
}
