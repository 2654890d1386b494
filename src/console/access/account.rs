//! The page of one's own account: password, authenticator app, recovery codes, sessions.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Form, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use super::sign_in::with_cookie;
use super::{DoneQuery, SignedIn, cookie, qr_code};
use crate::console::Console;
use crate::console::pages::{PageError, see_other, unavailable};
use crate::domain::clock::Timestamp;
use crate::flow::users::{BrowserOrigin, CurrentUser, Error, PasskeyChallenge, TotpSecret};
use crate::store::users::{PasskeyRow, TokenHash};

const PATH: &str = "/account";

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .route(PATH, web::get().to(show))
        .route("/account/password", web::post().to(change_password))
        .route("/account/app", web::post().to(replace_app))
        .route("/account/email", web::post().to(begin_email))
        .route("/account/email/confirm", web::post().to(confirm_email))
        .route("/account/email/remove", web::post().to(remove_email))
        .route("/account/recovery", web::post().to(replace_recovery_codes))
        .route("/account/sessions/{session}/end", web::post().to(end_session));
}

#[derive(Serialize)]
struct AccountPage {
    user: String,
    is_external: bool,
    roles: Vec<&'static str>,
    has_app: bool,
    recovery_left: usize,
    secret: String,
    qr_code: String,
    passkey: Option<PasskeyChallenge>,
    passkeys: Vec<Passkey>,
    sessions: Vec<Session>,
    /// Masked.
    email: Option<String>,
    waits_for_email: bool,
    problem: String,
    done: &'static str,
}

#[derive(Serialize)]
struct Passkey {
    id: String,
    name: String,
    created: Timestamp,
    used: Option<Timestamp>,
}

impl From<PasskeyRow> for Passkey {
    fn from(PasskeyRow { id, name, created_at, used_at, .. }: PasskeyRow) -> Self {
        Self { id, name, created: created_at, used: used_at }
    }
}

#[derive(Serialize)]
struct Session {
    id: String,
    is_own: bool,
    started: Timestamp,
    seen: Timestamp,
    address: String,
    browser: String,
}

#[derive(Deserialize)]
struct PasswordFields {
    password: String,
    new: String,
    repeated: String,
}

#[derive(Deserialize)]
struct AppFields {
    password: String,
    secret: String,
    code: String,
}

#[derive(Deserialize)]
struct EmailFields {
    /// Empty for a user who signs in at an identity provider.
    #[serde(default)]
    password: String,
    email: String,
}

#[derive(Deserialize)]
struct CodeFields {
    code: String,
}

#[derive(Deserialize)]
struct ProofFields {
    password: String,
}

async fn show(console: Data<Console>, user: SignedIn, query: web::Query<DoneQuery>) -> HttpResponse {
    let done = match query.done.as_str() {
        "password" => "The password is changed. Your other sessions have ended.",
        "session" => "The session has ended.",
        "mailed" => "A code is on its way to the address. Type it below.",
        "email" => "The address is verified.",
        "no-email" => "The address is removed.",
        "passkey" => "The passkey is added. It takes the place of a one-time code when you sign in.",
        "no-passkey" => "The passkey is removed.",
        _ => "",
    };
    page(&console, &user, StatusCode::OK, String::new(), done).await
}

async fn page(
    console: &Console,
    user: &SignedIn,
    status: StatusCode,
    problem: String,
    done: &'static str,
) -> HttpResponse {
    let own = user.session().hash;
    let users = &console.users;
    let asked = tokio::try_join!(
        users.sessions(&user.user),
        users.sign_in_methods(&user.user),
        users.email(&user.user),
        users.new_passkey_challenge(&user.user),
    );
    let (sessions, methods, email, passkey) = match asked {
        Ok(answers) => answers,
        Err(error) => return unavailable(&error),
    };
    let secret = match TotpSecret::random() {
        Ok(secret) => secret,
        Err(error) => return unavailable(&error),
    };
    let session = |row: crate::store::users::SessionRow| Session {
        id: hex::encode(row.hash),
        is_own: row.hash == own,
        started: row.started_at,
        seen: row.seen_at,
        address: row.address,
        browser: row.browser,
    };
    let page = AccountPage {
        user: user.user.clone(),
        roles: user.roles.iter().map(|role| role.name()).collect(),
        is_external: methods.is_external,
        has_app: methods.has_app,
        recovery_left: methods.recovery_left,
        passkey,
        passkeys: methods.passkeys.into_iter().map(Passkey::from).collect(),
        qr_code: qr_code::data_url(&secret.uri(&user.user)),
        secret: secret.text(),
        email: email.map(|address| address.masked()),
        waits_for_email: console.users.waits_for_email(&user.user),
        sessions: sessions.into_iter().map(session).collect(),
        problem,
        done,
    };
    let mut answer = console.views.page("account", "Your account", user, &page);
    *answer.status_mut() = status;
    answer
}

async fn refused(console: &Console, user: &SignedIn, error: Error) -> HttpResponse {
    let status = match &error {
        Error::WrongPassword
        | Error::WrongCode
        | Error::Password(_)
        | Error::Passkey(_)
        | Error::PasskeyName
        | Error::PasskeyExists
        | Error::NoMail
        | Error::InvalidEmail
        | Error::MailNotAccepted
        | Error::WrongMailedCode => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
        Error::Outdated | Error::External(_) => StatusCode::CONFLICT,
        _ => return unavailable(&error),
    };
    page(console, user, status, sentence(&error), "").await
}

/// An error as a sentence of a page.
pub(super) fn sentence(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

async fn change_password(
    console: Data<Console>,
    user: SignedIn,
    request: HttpRequest,
    form: Form<PasswordFields>,
) -> HttpResponse {
    if form.new != form.repeated {
        let problem = "The two new passwords differ.".to_owned();
        return page(&console, &user, StatusCode::UNPROCESSABLE_ENTITY, problem, "").await;
    }
    let (session, origin) = (user.session(), cookie::origin(&request, console.secure));
    let current = proof(&session, &form.password, &origin);
    match console.users.change_password(&current, &form.new).await.map(|token| cookie::of(&token, console.secure)) {
        Ok(Ok(cookie)) => with_cookie(see_other("/account?done=password"), cookie),
        Ok(Err(error)) => unavailable(&error),
        Err(error) => refused(&console, &user, error).await,
    }
}

async fn replace_app(
    console: Data<Console>,
    user: SignedIn,
    request: HttpRequest,
    form: Form<AppFields>,
) -> HttpResponse {
    let Some(secret) = TotpSecret::parse(&form.secret) else { return refused(&console, &user, Error::WrongCode).await };
    let (session, origin) = (user.session(), cookie::origin(&request, console.secure));
    match console.users.replace_app(&proof(&session, &form.password, &origin), &secret, &form.code).await {
        Ok(made) => recovery_codes(&console, &user, &made),
        Err(error) => refused(&console, &user, error).await,
    }
}

async fn replace_recovery_codes(
    console: Data<Console>,
    user: SignedIn,
    request: HttpRequest,
    form: Form<ProofFields>,
) -> HttpResponse {
    let (session, origin) = (user.session(), cookie::origin(&request, console.secure));
    match console.users.replace_recovery_codes(&proof(&session, &form.password, &origin)).await {
        Ok(made) => recovery_codes(&console, &user, &made),
        Err(error) => refused(&console, &user, error).await,
    }
}

async fn begin_email(
    console: Data<Console>,
    user: SignedIn,
    request: HttpRequest,
    form: Form<EmailFields>,
) -> HttpResponse {
    let (session, origin) = (user.session(), cookie::origin(&request, console.secure));
    let begun = console.users.begin_email(&proof(&session, &form.password, &origin), &form.email).await;
    then_show(&console, &user, begun, "/account?done=mailed").await
}

async fn confirm_email(console: Data<Console>, user: SignedIn, form: Form<CodeFields>) -> HttpResponse {
    let confirmed = console.users.confirm_email(&user.session(), &form.code).await;
    then_show(&console, &user, confirmed, "/account?done=email").await
}

async fn remove_email(console: Data<Console>, user: SignedIn) -> HttpResponse {
    let removed = console.users.remove_email(&user.session()).await;
    then_show(&console, &user, removed, "/account?done=no-email").await
}

pub(super) async fn then_show(console: &Console, user: &SignedIn, done: Result<(), Error>, path: &str) -> HttpResponse {
    match done {
        Ok(()) => see_other(path),
        Err(error) => refused(console, user, error).await,
    }
}

pub(super) fn proof<'a>(
    session: &'a crate::flow::users::UserSession,
    password: &'a str,
    origin: &'a BrowserOrigin,
) -> CurrentUser<'a> {
    CurrentUser { session, password, origin }
}

async fn end_session(console: Data<Console>, user: SignedIn, id: Path<String>) -> Result<HttpResponse, PageError> {
    let mut hash = TokenHash::default();
    hex::decode_to_slice(id.as_str(), &mut hash).map_err(|_| PageError::NotFound)?;
    match console.users.end_session(&user.user, &hash).await {
        Ok(true) => Ok(see_other("/account?done=session")),
        Ok(false) => Err(PageError::NotFound),
        Err(error) => Ok(unavailable(&error)),
    }
}

#[derive(Serialize)]
struct RecoveryPage<'a> {
    codes: &'a [String],
}

/// The page that shows new recovery codes, the only time.
pub(super) fn recovery_codes(console: &Console, user: &SignedIn, codes: &[String]) -> HttpResponse {
    console.views.page("recovery_codes", "Recovery codes", user, &RecoveryPage { codes })
}
