//! One delivery, and everything that happened to it.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::explanations;
use super::steps::{self, HistoryStep};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::{PageError, require};
use crate::domain::access::Action;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{DeliveryState, EndReason};
use crate::domain::notification::{Kind, Priority};
use crate::domain::recipient::RecipientId;
use crate::domain::template_version::TemplateSnapshot;
use crate::flow::deliveries::message_text::{self, AttemptText, Rendering};
use crate::flow::deliveries::timeline;
use crate::store::reports::{DeliveryDetail, DeliveryLine};

#[derive(Deserialize)]
pub(super) struct Done {
    #[serde(default)]
    done: String,
}

#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "what a template asks for")]
struct OneDelivery {
    done: Option<&'static str>,
    line: DeliveryLine,
    meaning: &'static str,
    why: Option<&'static str>,
    others: Vec<Uuid>,
    steps: Vec<HistoryStep>,
    messages: Vec<SentText>,
    /// The recipient was erased, or is not known any more.
    is_recipient_gone: bool,
    may_resend: bool,
    not_resent: Option<&'static str>,
    may_make_dossier: bool,
    may_see_recipient: bool,
    may_reveal: bool,
}

/// A template, and the text that went out.
#[derive(Serialize)]
struct SentText {
    version: String,
    short: String,
    key: String,
    attempts: String,
    rendered: Vec<(String, String)>,
    sources: Vec<(String, String)>,
    /// Why the text is not shown.
    missing: Option<String>,
}

pub(super) async fn show(
    console: Data<Console>,
    user: SignedIn,
    id: Path<Uuid>,
    Query(done): Query<Done>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewDeliveries).await?;
    let store = &console.store;
    let detail = store.reports().delivery(*id).await?.ok_or(PageError::NotFound)?;
    let versions: Vec<_> = detail.attempts.iter().filter_map(|attempt| attempt.template_version).collect();
    let templates = store.template_versions().snapshots(&versions).await?;
    let texts = message_text::of(store, &console.dossiers.templates, &detail, &templates).await?;
    let recipient = match detail.line.recipient {
        Some(id) => store.recipients().get(RecipientId(id)).await?,
        None => None,
    };
    let not_resent = not_resent(&detail, console.clocks.steady.now());
    let state = DeliveryState::from_name(&detail.line.state);
    let page = OneDelivery {
        done: (done.done == "resent").then_some("The notification is sent again, as this delivery."),
        meaning: state.map(explanations::of_state).unwrap_or_default(),
        why: detail.line.end_reason.as_deref().and_then(EndReason::from_name).map(explanations::of_reason),
        steps: steps::of(&timeline::of(&detail, &templates)),
        messages: texts.iter().map(message).collect(),
        is_recipient_gone: detail.line.recipient.is_some() && recipient.is_none(),
        may_resend: user.may(Action::ResendDelivery) && not_resent.is_none(),
        not_resent: not_resent.filter(|_| user.may(Action::ResendDelivery)),
        may_make_dossier: user.may(Action::MakeDossier),
        may_see_recipient: user.may(Action::ViewRecipients) && recipient.is_some(),
        may_reveal: user.may(Action::RevealContact) && recipient.is_some(),
        others: detail.others,
        line: detail.line,
    };
    let title = format!("Delivery: {}", page.line.kind.replace('_', " "));
    Ok(console.views.page("delivery", &title, &user, &page))
}

// What can be known before somebody asks; the store decides.
fn not_resent(detail: &DeliveryDetail, now: Timestamp) -> Option<&'static str> {
    let line = &detail.line;
    let is_code = line.kind.parse::<Kind>().is_ok_and(|kind| kind.priority() == Priority::Otp);
    match DeliveryState::from_name(&line.state) {
        _ if is_code => Some(
            "A code is never sent again by an operator: the caller who asks for it may be a thief. The cardholder asks for a \
             new one where the payment is made.",
        ),
        Some(DeliveryState::Open) => Some("It is still open: the gateway goes on with it by itself."),
        _ if line.expires_at <= now => Some("The deadline has passed, and nothing is sent after that."),
        Some(state) if state.may_be_resent() => None,
        _ => Some("Its content was removed when it ended; only the processor can send the notification again."),
    }
}

fn message(text: &AttemptText<'_>) -> SentText {
    let template = text.template();
    let attempts: Vec<_> = text.attempts().iter().map(u32::to_string).collect();
    let (rendered, missing) = match text.rendering() {
        // The plain text of a mail says the same as its HTML.
        Rendering::Parts(parts) => {
            let texts = parts.iter().filter(|(part, _)| *part != "html");
            (texts.map(|(part, text)| ((*part).to_owned(), text.clone())).collect(), None)
        }
        Rendering::NoContent => (
            Vec::new(),
            Some("The delivery has ended and its content was deleted, so that the text cannot be shown. The template is kept.".to_owned()),
        ),
        Rendering::Invalid(why) => (Vec::new(), Some(format!("The template is no longer valid: {why}"))),
    };
    SentText {
        version: template.template_version.to_string(),
        short: template.template_version.short(),
        key: template.key.to_string(),
        attempts: attempts.join(", "),
        rendered,
        sources: text
            .sources()
            .filter(|(part, _)| TemplateSnapshot::is_text(part))
            .map(|(part, source)| (part.to_owned(), source))
            .collect(),
        missing,
    }
}
