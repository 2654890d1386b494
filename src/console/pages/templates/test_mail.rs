//! The message of the editor as a mail to the user who edits it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use serde_json::{Value, json};

use super::PageError;
use super::preview::part;
use super::text::TextEditor;
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::require;
use crate::domain::access::Action;
use crate::domain::chain;
use crate::domain::contact::Channel;
use crate::flow::users::{self, TestMail};
use crate::render::TemplatePath;

/// Where a test mail of the editor would go, or that there is no address yet. Nothing where none can be sent.
pub(super) async fn destination(
    console: &Console,
    user: &SignedIn,
    path: &TemplatePath,
) -> Result<Option<Value>, PageError> {
    let is_possible = path.channel() == Some(Channel::Email) && console.users.can_mail();
    if !is_possible || !user.may(Action::EditTemplates) {
        return Ok(None);
    }
    let address = console.users.email(&user.user).await?.map(|address| address.masked());
    Ok(Some(json!({ "address": address })))
}

pub(super) async fn send(
    console: &Data<Console>,
    user: &SignedIn,
    mut editor: TextEditor,
) -> Result<HttpResponse, PageError> {
    require(console, user, Action::EditTemplates).await?;
    let (status, notice) = match mail(console, &editor).await? {
        Err(problem) => (StatusCode::UNPROCESSABLE_ENTITY, problem),
        Ok(mail) => match console.users.send_test_mail(&user.user, mail).await {
            Ok(address) => (StatusCode::OK, format!("A test mail is on its way to {}.", address.masked())),
            Err(error) => refused(error)?,
        },
    };
    (editor.has_problem, editor.notice) = (status != StatusCode::OK, notice);
    editor.page(console, user, status).await
}

/// The mail, or why there is none.
async fn mail(console: &Console, editor: &TextEditor) -> Result<Result<TestMail, String>, PageError> {
    if editor.path.channel() != Some(Channel::Email) {
        return Ok(Err("No test mail is sent: this text is no part of a mail.".to_owned()));
    }
    let (of, (diagnostics, message)) = editor.to_preview(console).render(console).await?;
    if diagnostics.iter().any(|it| it.is_error) {
        return Ok(Err("No test mail is sent: correct the errors below.".to_owned()));
    }
    Ok(match message {
        Some(Ok(sample)) => Ok(TestMail {
            path: of.path.to_string(),
            values: of.sample.name(),
            locale: sample.locale.clone(),
            subject: part(&sample, "email.subject").to_owned(),
            text: part(&sample, "email.text").to_owned(),
            html: part(&sample, "email.html").to_owned(),
        }),
        Some(Err(error)) => Err(format!("No test mail is sent: {}.", chain(&error))),
        None => Err("No test mail is sent: there is no message.".to_owned()),
    })
}

// What the user cannot help is a page of its own.
fn refused(error: users::Error) -> Result<(StatusCode, String), PageError> {
    use users::Error as E;
    let status = match error {
        E::TooManyTestMails(_) => StatusCode::TOO_MANY_REQUESTS,
        E::NoMail | E::NoAddress => StatusCode::UNPROCESSABLE_ENTITY,
        E::MailNotAccepted => StatusCode::BAD_GATEWAY,
        other => return Err(other.into()),
    };
    Ok((status, format!("No test mail is sent: {error}.")))
}
