//! The pages of all users, for admins.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Form, Path, ServiceConfig};
use serde::Serialize;
use strum::IntoEnumIterator;

use super::account::sentence;
use super::{DoneQuery, SignedIn, welcome};
use crate::console::Console;
use crate::console::pages::{PageError, require, see_other, unavailable};
use crate::domain::access::{Action, Role};
use crate::domain::clock::Timestamp;
use crate::flow::users::{Error, SetupCode};
use crate::store::users::UserRow;

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .route("/users", web::get().to(list))
        .route("/users", web::post().to(add))
        .route("/users/{name}", web::get().to(show))
        .route("/users/{name}/roles", web::post().to(set_roles))
        .route("/users/{name}/disable", web::post().to(disable))
        .route("/users/{name}/enable", web::post().to(enable))
        .route("/users/{name}/reset", web::post().to(reset));
}

#[derive(Serialize)]
struct List {
    users: Vec<Listed>,
    roles: Vec<RoleChoice>,
    problem: String,
    name: String,
}

#[derive(Serialize)]
struct Listed {
    name: String,
    roles: String,
    state: &'static str,
    /// The class of its badge.
    badge: &'static str,
    is_disabled: bool,
    is_own: bool,
    is_external: bool,
    signed_in: Option<Timestamp>,
}

#[derive(Serialize)]
struct RoleChoice {
    name: &'static str,
    what: &'static str,
    is_held: bool,
}

#[derive(Serialize)]
struct Shown {
    user: Listed,
    roles: Vec<RoleChoice>,
    created: Timestamp,
    problem: String,
    done: &'static str,
}

#[derive(Serialize)]
struct UserCodePage<'a> {
    name: &'a str,
    code: &'a str,
    link: String,
    until: Timestamp,
}

/// RoleForm in their order; a role is a field of its own for each box that is checked.
type RoleForm = Form<Vec<(String, String)>>;

async fn list(console: Data<Console>, user: SignedIn) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ManageUsers).await?;
    Ok(list_page(&console, &user, StatusCode::OK, String::new(), "", &[]).await)
}

async fn list_page(
    console: &Console,
    user: &SignedIn,
    status: StatusCode,
    problem: String,
    name: &str,
    held: &[Role],
) -> HttpResponse {
    let users = match console.users.all().await {
        Ok(users) => users.iter().map(|row| listed(row, user)).collect(),
        Err(error) => return unavailable(&error),
    };
    let page = List { users, roles: choices(held), problem, name: name.to_owned() };
    let mut answer = console.views.page("users", "Users", user, &page);
    *answer.status_mut() = status;
    answer
}

async fn add(console: Data<Console>, user: SignedIn, form: RoleForm) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ManageUsers).await?;
    let name = form.iter().find(|(key, _)| key == "name").map_or("", |(_, value)| value.trim());
    let roles = roles_in(&form)?;
    match console.users.add(&user.actor(), name, &roles).await {
        Ok(code) => Ok(code_page(&console, &user, name, &code)),
        Err(error) => match status_of(&error) {
            Some(status) => Ok(list_page(&console, &user, status, sentence(&error), name, &roles).await),
            None => Ok(unavailable(&error)),
        },
    }
}

async fn show(
    console: Data<Console>,
    user: SignedIn,
    name: Path<String>,
    query: web::Query<DoneQuery>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ManageUsers).await?;
    let done = match query.done.as_str() {
        "roles" => "The roles are changed. The user's sessions have ended.",
        "disabled" => "The user is disabled. The user's sessions have ended.",
        "enabled" => "The user can sign in again.",
        _ => "",
    };
    user_page(&console, &user, &name, StatusCode::OK, String::new(), done).await
}

async fn user_page(
    console: &Console,
    user: &SignedIn,
    name: &str,
    status: StatusCode,
    problem: String,
    done: &'static str,
) -> Result<HttpResponse, PageError> {
    let all = match console.users.all().await {
        Ok(all) => all,
        Err(error) => return Ok(unavailable(&error)),
    };
    let row = all.iter().find(|row| row.name == name).ok_or(PageError::NotFound)?;
    let page = Shown { user: listed(row, user), roles: choices(&row.roles), created: row.created_at, problem, done };
    let mut answer = console.views.page("user", &format!("User {name}"), user, &page);
    *answer.status_mut() = status;
    Ok(answer)
}

async fn set_roles(
    console: Data<Console>,
    user: SignedIn,
    name: Path<String>,
    form: RoleForm,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ManageUsers).await?;
    let changed = console.users.set_roles(&user.actor(), &name, &roles_in(&form)?).await;
    answer(&console, &user, &name, changed, "roles").await
}

async fn disable(console: Data<Console>, user: SignedIn, name: Path<String>) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ManageUsers).await?;
    let changed = console.users.set_disabled(&user.actor(), &name, true).await.map(drop);
    answer(&console, &user, &name, changed, "disabled").await
}

async fn enable(console: Data<Console>, user: SignedIn, name: Path<String>) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ManageUsers).await?;
    let changed = console.users.set_disabled(&user.actor(), &name, false).await.map(drop);
    answer(&console, &user, &name, changed, "enabled").await
}

async fn reset(console: Data<Console>, user: SignedIn, name: Path<String>) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ManageUsers).await?;
    match console.users.reset(&user.actor(), &name).await {
        Ok(code) => Ok(code_page(&console, &user, &name, &code)),
        Err(error) => answer(&console, &user, &name, Err(error), "").await,
    }
}

async fn answer(
    console: &Console,
    user: &SignedIn,
    name: &str,
    changed: Result<(), Error>,
    done: &str,
) -> Result<HttpResponse, PageError> {
    match changed {
        Ok(()) => Ok(see_other(&format!("/users/{name}?done={done}"))),
        Err(Error::Unknown(_)) => Err(PageError::NotFound),
        Err(error) => match status_of(&error) {
            Some(status) => user_page(console, user, name, status, sentence(&error), "").await,
            None => Ok(unavailable(&error)),
        },
    }
}

// `None` if it is no fault of the admin's.
fn status_of(error: &Error) -> Option<StatusCode> {
    match error {
        Error::InvalidName(_) | Error::NoRole => Some(StatusCode::UNPROCESSABLE_ENTITY),
        Error::Exists(_) | Error::LastAdmin(_) | Error::Outdated | Error::External(_) => Some(StatusCode::CONFLICT),
        Error::Oneself => Some(StatusCode::FORBIDDEN),
        _ => None,
    }
}

// The code is shown the only time, and not at an address that could be opened again.
fn code_page(console: &Console, user: &SignedIn, name: &str, code: &SetupCode) -> HttpResponse {
    let page = UserCodePage {
        name,
        code: code.text(),
        link: format!("{}?code={}", welcome::PATH, code.text()),
        until: code.expires_at,
    };
    console.views.page("user_code", "Set-up code", user, &page)
}

fn roles_in(form: &[(String, String)]) -> Result<Vec<Role>, PageError> {
    let chosen = form.iter().filter(|(key, _)| key == "role");
    let role = |(_, value): &(String, String)| {
        value.parse().map_err(|_| PageError::Invalid("there is no such role; load the page again".to_owned()))
    };
    chosen.map(role).collect()
}

fn choices(held: &[Role]) -> Vec<RoleChoice> {
    let choice = |role: Role| RoleChoice { name: role.name(), what: role.purpose(), is_held: held.contains(&role) };
    Role::iter().map(choice).collect()
}

fn listed(row: &UserRow, user: &SignedIn) -> Listed {
    let state = row.state();
    Listed {
        name: row.name.clone(),
        roles: row.roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", "),
        state,
        badge: if state == "active" { "badge-ok" } else { "badge-quiet" },
        is_disabled: row.disabled,
        is_own: row.name == user.user,
        is_external: row.external.is_some(),
        signed_in: row.signed_in_at,
    }
}
