//! The pages to sign in and to sign out.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{self, Data, Form, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use super::{SignedIn, cookie, sign_on};
use crate::console::Console;
use crate::console::pages::{PageError, see_other, unavailable};
use crate::flow::single_sign_on::SingleSignOn;
use crate::flow::users::{PasskeyChallenge, SecondFactor, SignInError, SignInForm};

pub(super) const PATH: &str = "/sign-in";

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .route(PATH, web::get().to(show))
        .route(PATH, web::post().to(sign_in))
        .route("/sign-out", web::post().to(sign_out));
}

#[derive(Serialize)]
struct SignInPage<'a> {
    /// The page of this site that was asked for.
    next: &'a str,
    name: &'a str,
    problem: &'a str,
    second_factor: bool,
    /// What the link to the identity provider says; empty if there is none.
    single_sign_on: &'a str,
    single_sign_on_path: String,
    passkey: Option<PasskeyChallenge>,
}

#[derive(Deserialize)]
pub(super) struct NextQuery {
    #[serde(default)]
    pub(super) next: String,
}

#[derive(Deserialize)]
struct SignInFields {
    name: String,
    password: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    passkey: String,
    #[serde(default)]
    next: String,
}

/// The answer to a request without a session: the page to sign in. A part of a page sends the browser there.
pub(super) fn asked(console: &Console, request: &HttpRequest) -> HttpResponse {
    if request.headers().contains_key("HX-Request") {
        return HttpResponse::Unauthorized().insert_header(("HX-Redirect", PATH)).finish();
    }
    let whole = request.uri().path_and_query().map_or("/", |it| it.as_str());
    let next = if request.method() == actix_web::http::Method::GET { own_path(whole) } else { "/" };
    page(console, StatusCode::UNAUTHORIZED, next, "", "")
}

pub(super) fn page(console: &Console, status: StatusCode, next: &str, name: &str, problem: &str) -> HttpResponse {
    let passkey = match console.users.passkey_challenge() {
        Ok(passkey) => passkey,
        Err(error) => return unavailable(&error),
    };
    let page = SignInPage {
        next,
        name,
        problem,
        second_factor: console.users.second_factor() == SecondFactor::Required,
        single_sign_on: console.sign_on.as_ref().map_or("", SingleSignOn::button),
        single_sign_on_path: sign_on::path_to(next),
        passkey,
    };
    console.views.outside("sign_in", "Sign in", status, &page)
}

async fn show(console: Data<Console>, query: web::Query<NextQuery>) -> HttpResponse {
    page(&console, StatusCode::OK, own_path(&query.next), "", "")
}

async fn sign_in(console: Data<Console>, request: HttpRequest, form: Form<SignInFields>) -> HttpResponse {
    let SignInFields { name, password, code, passkey, next } = form.into_inner();
    let form = SignInForm { name: name.trim(), password: &password, code: &code, passkey: &passkey };
    let next = own_path(&next);
    let refused = |status, problem: &str| page(&console, status, next, "", problem);
    match console.users.sign_in(&form, &cookie::origin(&request, console.secure)).await {
        Ok(token) => match cookie::of(&token, console.secure) {
            Ok(cookie) => with_cookie(see_other(next), cookie),
            Err(error) => unavailable(&error),
        },
        Err(SignInError::Refused) => {
            refused(StatusCode::UNAUTHORIZED, "The name, the password or the code is not right.")
        }
        Err(SignInError::Throttled(wait)) => {
            let minutes = wait.as_secs().div_ceil(60).max(1);
            let problem =
                format!("Too many attempts failed. Wait {minutes} minutes, or ask an admin to reset the user.");
            too_many(refused(StatusCode::TOO_MANY_REQUESTS, &problem), wait)
        }
        Err(SignInError::Failed(error)) => unavailable(&error),
    }
}

/// The answer, with the time after which another attempt is checked.
pub(super) fn too_many(mut answer: HttpResponse, wait: Duration) -> HttpResponse {
    answer.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
    answer
}

async fn sign_out(console: Data<Console>, user: SignedIn) -> Result<HttpResponse, PageError> {
    if let Err(error) = console.users.sign_out(&user.session()).await {
        return Ok(unavailable(&error));
    }
    let answer = see_other(PATH);
    Ok(match cookie::removed(console.secure) {
        Ok(cookie) => with_cookie(answer, cookie),
        Err(_) => answer,
    })
}

pub(super) fn with_cookie(mut answer: HttpResponse, cookie: HeaderValue) -> HttpResponse {
    answer.headers_mut().append(header::SET_COOKIE, cookie);
    answer
}

/// A path of this site; anything else is the first page. Browsers read `\` as `/`, and drop line ends and tabs.
pub(super) fn own_path(next: &str) -> &str {
    let is_own =
        next.starts_with('/') && !next.starts_with("//") && !next.contains(|c: char| c == '\\' || c.is_control());
    if is_own && !next.starts_with(PATH) && !next.starts_with(sign_on::PATH) { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_sign_in_the_browser_stays_on_this_site() {
        assert_eq!(own_path("/deliveries?to=a"), "/deliveries?to=a");
        for other in ["", "https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "/sign-in"] {
            assert_eq!(own_path(other), "/", "{other:?}");
        }
    }
}
