//! The page of API tokens: one's own, and for admins those of all users.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Form, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::{DoneQuery, SignedIn, cookie};
use crate::console::Console;
use crate::console::pages::{PageError, see_other, unavailable};
use crate::console::views::with_capital;
use crate::domain::access::{Action, Role};
use crate::domain::clock::Timestamp;
use crate::flow::api_tokens::{DAYS_MAX, Error, NewToken, TokenOrder};
use crate::flow::users::{self, CurrentUser};
use crate::store::api_tokens::TokenRow;

const PATH: &str = "/tokens";

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .route(PATH, web::get().to(list))
        .route(PATH, web::post().to(add))
        .route("/tokens/{name}/revoke", web::post().to(revoke));
}

#[derive(Serialize)]
struct TokensPage {
    own: Vec<ListedToken>,
    /// Those of other users, for admins.
    others: Vec<ListedToken>,
    is_admin: bool,
    roles: Vec<TokenRole>,
    days_max: u32,
    form: TokenFields,
    problem: String,
    done: &'static str,
}

#[derive(Serialize)]
struct ListedToken {
    name: String,
    user: String,
    roles: String,
    token_state: &'static str,
    is_active: bool,
    expires: Timestamp,
    used: Option<Timestamp>,
    has_pin: bool,
}

#[derive(Serialize)]
struct TokenRole {
    name: &'static str,
    what: &'static str,
    is_chosen: bool,
}

/// What was typed, to be shown again. The password is not.
#[derive(Default, Serialize)]
struct TokenFields {
    name: String,
    days: String,
    cert_pin: String,
}

#[derive(Serialize)]
struct MadeToken<'a> {
    name: &'a str,
    text: &'a str,
    until: Timestamp,
}

/// Fields in their order; a role is a field of its own for each box that is checked.
type TokenForm = Form<Vec<(String, String)>>;

async fn list(console: Data<Console>, user: SignedIn, query: web::Query<DoneQuery>) -> HttpResponse {
    let done = if query.done == "revoked" { "The token is revoked." } else { "" };
    page(&console, &user, StatusCode::OK, (TokenFields::default(), &[]), String::new(), done).await
}

async fn page(
    console: &Console,
    user: &SignedIn,
    status: StatusCode,
    (form, chosen): (TokenFields, &[Role]),
    problem: String,
    done: &'static str,
) -> HttpResponse {
    let is_admin = user.may(Action::ManageUsers);
    let all = match console.tokens.tokens(Some(&user.user).filter(|_| !is_admin).map(String::as_str)).await {
        Ok(all) => all,
        Err(error) => return unavailable(&error),
    };
    let now = console.tokens.now();
    let (own, others): (Vec<_>, Vec<_>) = all.iter().partition(|row| row.user == user.user);
    let listed = |rows: Vec<&TokenRow>| rows.into_iter().map(|row| listed(row, now)).collect();
    let role = |role: &Role| TokenRole { name: role.name(), what: role.purpose(), is_chosen: chosen.contains(role) };
    let page = TokensPage {
        own: listed(own),
        others: listed(others),
        is_admin,
        roles: user.roles.iter().map(role).collect(),
        days_max: DAYS_MAX,
        form,
        problem,
        done,
    };
    let mut answer = console.views.page("tokens", "API tokens", user, &page);
    *answer.status_mut() = status;
    answer
}

fn listed(row: &TokenRow, now: Timestamp) -> ListedToken {
    let token_state = row.state(now);
    ListedToken {
        name: row.name.clone(),
        user: row.user.clone(),
        roles: row.roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", "),
        token_state,
        is_active: token_state == "active",
        expires: row.expires_at,
        used: row.used_at,
        has_pin: row.cert_pin.is_some(),
    }
}

async fn add(console: Data<Console>, user: SignedIn, request: HttpRequest, form: TokenForm) -> HttpResponse {
    let text = |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim());
    let fields = TokenFields {
        name: text("name").to_owned(),
        days: text("days").to_owned(),
        cert_pin: text("cert_pin").to_owned(),
    };
    let roles: Vec<Role> =
        form.iter().filter(|(key, _)| key == "role").filter_map(|(_, value)| value.parse().ok()).collect();
    let (session, origin) = (user.session(), cookie::origin(&request, console.secure));
    // Not trimmed: a password may end with a space.
    let password = form.iter().find(|(key, _)| key == "password").map_or("", |(_, value)| value);
    let proof = CurrentUser { session: &session, password, origin: &origin };
    let (status, problem) = match console.users.confirm(&proof).await {
        Ok(()) => match make(&console, &user, &fields, &roles).await {
            Ok(made) => {
                let page = MadeToken { name: &fields.name, text: made.text(), until: made.expires_at };
                return console.views.page("token_made", "New API token", &user, &page);
            }
            Err(error @ (Error::Store(_) | Error::Crypto(_))) => return unavailable(&error),
            Err(error @ (Error::Exists(_) | Error::TooMany(_))) => (StatusCode::CONFLICT, error.to_string()),
            Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        },
        Err(error @ users::Error::WrongPassword) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        Err(error @ users::Error::Throttled(_)) => (StatusCode::TOO_MANY_REQUESTS, error.to_string()),
        Err(error) => return unavailable(&error),
    };
    let problem = format!("{}.", with_capital(&problem));
    page(&console, &user, status, (fields, &roles), problem, "").await
}

async fn make(console: &Console, user: &SignedIn, fields: &TokenFields, roles: &[Role]) -> Result<NewToken, Error> {
    let order = TokenOrder {
        name: &fields.name,
        user: &user.user,
        roles,
        days: fields.days.parse().unwrap_or(0),
        cert_pin: Some(fields.cert_pin.as_str()).filter(|pin| !pin.is_empty()),
    };
    console.tokens.add(&user.actor(), &order).await
}

// One's own; an admin revokes any.
async fn revoke(console: Data<Console>, user: SignedIn, name: Path<String>) -> Result<HttpResponse, PageError> {
    let owner = if user.may(Action::ManageUsers) { None } else { Some(user.user.as_str()) };
    match console.tokens.revoke(&user.actor(), &name, owner).await {
        Ok(()) => Ok(see_other("/tokens?done=revoked")),
        Err(Error::Unknown(_)) => Err(PageError::NotFound),
        Err(error) => Ok(unavailable(&error)),
    }
}
