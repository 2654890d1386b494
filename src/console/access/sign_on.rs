//! Signing in at an identity provider: the way there, the way back, and its word that a user has signed out there.

use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Data, Form, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::sign_in::{self, NextQuery, own_path, too_many, with_cookie};
use super::{account, cookie};
use crate::console::Console;
use crate::console::pages::{PageError, see_other, unavailable};
use crate::domain::chain;
use crate::flow::single_sign_on::{CallbackAnswer, Error};
use crate::flow::users::ExternalSignInError;

pub(super) const PATH: &str = "/sso";

/// Where the identity provider sends browsers back to.
pub(in crate::console) const CALLBACK: &str = "/sso/callback";

/// Where the identity provider says that a user has signed out. It is no browser: the signed token proves where it comes from.
pub(super) const LOGOUT: &str = "/sso/logout";

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .route(PATH, web::get().to(begin))
        .route(CALLBACK, web::get().to(finish))
        .route(LOGOUT, web::post().to(log_out));
}

/// The path that leads to the identity provider, and then to the page `next`.
pub(super) fn path_to(next: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    format!("{PATH}?{query}")
}

#[derive(Deserialize)]
struct CallbackQuery {
    #[serde(default)]
    state: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    error: String,
    iss: Option<String>,
}

#[derive(Deserialize)]
struct LogoutFields {
    logout_token: String,
}

async fn begin(console: Data<Console>, query: Query<NextQuery>) -> Result<HttpResponse, PageError> {
    let sign_on = console.sign_on.as_ref().ok_or(PageError::NotFound)?;
    let begun = match sign_on.begin(own_path(&query.next)).await {
        Ok(begun) => begun,
        Err(error) => return Ok(refused(&console, &ExternalSignInError::SingleSignOn(error))),
    };
    Ok(match cookie::pending(&begun.cookie, console.secure) {
        Ok(cookie) => with_cookie(see_other(&begun.url), cookie),
        Err(error) => unavailable(&error),
    })
}

async fn finish(
    console: Data<Console>,
    request: HttpRequest,
    query: Query<CallbackQuery>,
) -> Result<HttpResponse, PageError> {
    let sign_on = console.sign_on.as_ref().ok_or(PageError::NotFound)?;
    let kept = cookie::pending_in(&request, console.secure).unwrap_or_default();
    let CallbackQuery { state, code, error, iss } = &*query;
    let answer = CallbackAnswer { state, code, error, issuer: iss.as_deref(), cookie: &kept };
    let signed_in = console.users.sign_in_external(sign_on, &answer, &cookie::origin(&request, console.secure)).await;
    let answer = match signed_in {
        Ok((token, next)) => match cookie::of(&token, console.secure) {
            Ok(cookie) => with_cookie(see_other(own_path(&next)), cookie),
            Err(error) => unavailable(&error),
        },
        Err(error) => refused(&console, &error),
    };
    Ok(match cookie::pending_removed(console.secure) {
        Ok(removed) => with_cookie(answer, removed),
        Err(_) => answer,
    })
}

// Who came this far has signed in at the identity provider, or has only a form to begin anew: the answer says what is wrong.
fn refused(console: &Console, error: &ExternalSignInError) -> HttpResponse {
    use ExternalSignInError as E;
    let (status, problem) = match error {
        E::Throttled(wait) => {
            let minutes = wait.as_secs().div_ceil(60).max(1);
            let problem = format!("Too many attempts failed. Wait {minutes} minutes.");
            return too_many(sign_in::page(console, StatusCode::TOO_MANY_REQUESTS, "/", "", &problem), *wait);
        }
        E::NoRole | E::Disabled | E::NameTaken(_) | E::InvalidName(_) => {
            (StatusCode::FORBIDDEN, format!("{} Ask an admin.", account::sentence(error)))
        }
        E::SingleSignOn(Error::NotBegun) => {
            (StatusCode::BAD_REQUEST, format!("{} Begin again.", account::sentence(error)))
        }
        E::SingleSignOn(Error::Refused(_)) => (StatusCode::UNAUTHORIZED, account::sentence(error)),
        E::SingleSignOn(Error::Unavailable(_) | Error::Unusable(_)) => (
            StatusCode::BAD_GATEWAY,
            "The identity provider cannot be used now; the log of the gateway says why.".to_owned(),
        ),
        E::SingleSignOn(Error::MixedUp | Error::Token(_)) => {
            let problem = "What the identity provider answered cannot be trusted; the log of the gateway says why.";
            (StatusCode::UNAUTHORIZED, problem.to_owned())
        }
        E::SingleSignOn(Error::Crypto(_) | Error::Store(_)) | E::Failed(_) => return unavailable(error),
    };
    tracing::warn!(error = chain(error), "a sign-in at the identity provider failed");
    sign_in::page(console, status, "/", "", &problem)
}

async fn log_out(console: Data<Console>, form: Form<LogoutFields>) -> Result<HttpResponse, PageError> {
    let sign_on = console.sign_on.as_ref().ok_or(PageError::NotFound)?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    match sign_on.logged_out(&form.logout_token).await {
        Ok(id) => match console.users.sign_out_external(&id).await {
            Ok(()) => Ok(answer.finish()),
            Err(error) => Ok(unavailable(&error)),
        },
        Err(error) => {
            tracing::warn!(error = chain(&error), "a logout of the identity provider was refused");
            Ok(HttpResponse::BadRequest().insert_header((header::CACHE_CONTROL, "no-store")).finish())
        }
    }
}
