//! Rendered mails, each a document of its own, so that a frame can show it under a policy that forbids everything but styles.
//!
//! The style attributes of a mail would not be allowed on our own pages, whose policy a frame with `srcdoc` inherits.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Path};
use uuid::Uuid;

use super::PageError;
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::require;
use crate::domain::access::Action;

/// Enough for everybody who edits at the same time. A mail has at most 64 KiB.
const KEPT_MAX: usize = 64;

/// No script, no form, no frame, nothing fetched but the logo; and no access to our origin.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; frame-ancestors 'self'; sandbox";

/// The mails that were rendered last, with the user who may see each.
#[derive(Default)]
pub(in crate::console) struct MailPreviews(Mutex<VecDeque<(Uuid, String, String)>>);

impl MailPreviews {
    /// Keeps a mail for a while, and returns the name of its address.
    pub(super) fn keep(&self, user: &str, html: String) -> Uuid {
        let token = Uuid::new_v4();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT_MAX - 1);
        kept.push_front((token, user.to_owned(), html));
        token
    }

    fn find(&self, token: Uuid, user: &str) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, owner, _)| *known == token && owner == user).map(|(.., html)| html.clone())
    }
}

pub(super) async fn frame(
    console: Data<Console>,
    user: SignedIn,
    token: Path<Uuid>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewTemplates).await?;
    let html = console.mails.find(*token, &user.user).ok_or(PageError::NotFound)?;
    let answer = HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(html);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_shown_to_its_user_only_and_forgotten_after_others() {
        let previews = MailPreviews::default();
        let first = previews.keep("author", "first".to_owned());

        assert_eq!(previews.find(first, "author").as_deref(), Some("first"));
        assert_eq!(previews.find(first, "approver"), None);
        for number in 0..KEPT_MAX {
            previews.keep("author", number.to_string());
        }
        assert_eq!(previews.find(first, "author"), None);
    }
}
