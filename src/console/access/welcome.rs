//! The page on which a set-up code becomes a password and an authenticator app.

use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Data, Form, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use super::{SignedIn, cookie, qr_code};
use crate::console::Console;
use crate::console::pages::unavailable;
use crate::flow::users::{Error, SecondFactor, SetupForm, TotpSecret};

pub(super) const PATH: &str = "/welcome";

pub(super) fn routes(service: &mut ServiceConfig) {
    service.route(PATH, web::get().to(show)).route(PATH, web::post().to(set_up));
}

#[derive(Deserialize)]
struct SetupQuery {
    #[serde(default)]
    code: String,
}

#[derive(Deserialize)]
struct SetupFields {
    setup: String,
    password: String,
    repeated: String,
    secret: String,
    #[serde(default)]
    code: String,
}

#[derive(Serialize)]
struct SetupPage<'a> {
    name: &'a str,
    setup: &'a str,
    secret: String,
    qr_code: String,
    second_factor: bool,
    problem: &'a str,
}

#[derive(Serialize)]
struct SetupCodePage<'a> {
    problem: &'a str,
}

async fn show(console: Data<Console>, query: web::Query<SetupQuery>) -> HttpResponse {
    if query.code.trim().is_empty() {
        return ask_for_code(&console, StatusCode::OK, "");
    }
    match (console.users.user_to_set_up(&query.code).await, TotpSecret::random()) {
        (Ok(name), Ok(secret)) => page(&console, StatusCode::OK, &name, &query.code, &secret, ""),
        (Err(Error::InvalidSetup), _) => invalid(&console),
        (Err(error), _) => unavailable(&error),
        (_, Err(error)) => unavailable(&error),
    }
}

fn ask_for_code(console: &Console, status: StatusCode, problem: &str) -> HttpResponse {
    console.views.outside("welcome_code", "Set up your account", status, &SetupCodePage { problem })
}

fn invalid(console: &Console) -> HttpResponse {
    let problem =
        "The set-up code is not valid: it was used, is older than 24 hours, or is mistyped. Ask for a new one.";
    ask_for_code(console, StatusCode::UNPROCESSABLE_ENTITY, problem)
}

fn page(
    console: &Console,
    status: StatusCode,
    name: &str,
    setup: &str,
    secret: &TotpSecret,
    problem: &str,
) -> HttpResponse {
    let page = SetupPage {
        name,
        setup,
        secret: secret.text(),
        qr_code: qr_code::data_url(&secret.uri(name)),
        second_factor: console.users.second_factor() == SecondFactor::Required,
        problem,
    };
    console.views.outside("welcome", "Set up your account", status, &page)
}

async fn set_up(console: Data<Console>, request: HttpRequest, form: Form<SetupFields>) -> HttpResponse {
    let name = match console.users.user_to_set_up(&form.setup).await {
        Ok(name) => name,
        Err(Error::InvalidSetup) => return invalid(&console),
        Err(error) => return unavailable(&error),
    };
    let Some(secret) = TotpSecret::parse(&form.secret) else { return invalid(&console) };
    let again = |problem: &str| page(&console, StatusCode::UNPROCESSABLE_ENTITY, &name, &form.setup, &secret, problem);
    if form.password != form.repeated {
        return again("The two passwords differ.");
    }
    let SetupFields { setup, password, code, .. } = &*form;
    let set_up = SetupForm { setup_code: setup, password, secret: &secret, code };
    let (token, recovery) = match console.users.set_up(&set_up, &cookie::origin(&request, console.secure)).await {
        Ok(done) => done,
        Err(Error::InvalidSetup) => return invalid(&console),
        Err(error @ (Error::Password(_) | Error::WrongCode)) => return again(&super::account::sentence(&error)),
        Err(error) => return unavailable(&error),
    };
    let (session, cookie) =
        (console.users.session(token.cookie_value(), true).await, cookie::of(&token, console.secure));
    let (user, cookie): (SignedIn, _) = match (session, cookie) {
        (Ok(Some(session)), Ok(cookie)) => (session.into(), cookie),
        (Err(error), _) => return unavailable(&error),
        _ => return invalid(&console),
    };
    let mut answer = super::account::recovery_codes(&console, &user, &recovery);
    answer.headers_mut().insert(header::SET_COOKIE, cookie);
    answer
}
