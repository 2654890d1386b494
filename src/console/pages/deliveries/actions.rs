//! What may be done with a delivery: sending it again, and making its dossier.

use actix_web::HttpResponse;
use actix_web::web::{Data, Form, Path};
use serde::Deserialize;
use uuid::Uuid;

use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::{PageError, attachment, require, see_other};
use crate::domain::access::Action;
use crate::domain::audit_event::Actor;
use crate::domain::delivery::DeliveryId;
use crate::domain::recipient::{Locale, RecipientId};
use crate::dossier::{DossierFormat, DossierQuestion, DossierWords};
use crate::flow::dossiers::{self, DossierOrder};
use crate::store::NotResent;
use crate::store::reports::DeliveryDetail;

#[derive(Deserialize)]
pub(super) struct ResendForm {
    #[serde(default)]
    reason: String,
}

pub(super) async fn resend(
    console: Data<Console>,
    user: SignedIn,
    id: Path<Uuid>,
    Form(form): Form<ResendForm>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ResendDelivery).await?;
    match console.store.resend(DeliveryId(*id), &form.reason, &user.actor()).await? {
        Ok(delivery) => Ok(see_other(&format!("/deliveries/{delivery}?done=resent"))),
        Err(NotResent::Unknown) => Err(PageError::NotFound),
        Err(why @ NotResent::NoReason) => Err(PageError::Invalid(why.to_string())),
        Err(
            why @ (NotResent::Code | NotResent::Open(_) | NotResent::DeadlinePassed(_) | NotResent::ContentRemoved(_)),
        ) => Err(PageError::Conflict(format!("the delivery is not sent again: {why}"))),
    }
}

#[derive(Deserialize)]
pub(super) struct DossierForm {
    format: String,
}

pub(super) async fn dossier(
    console: Data<Console>,
    user: SignedIn,
    id: Path<Uuid>,
    Form(form): Form<DossierForm>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::MakeDossier).await?;
    let format: DossierFormat =
        form.format.parse().map_err(|_| PageError::Invalid("format: expected pdf, html or json".to_owned()))?;
    let (bytes, content_type) = dossier_of(&console, user.actor(), &user.user, *id, format).await?;
    Ok(attachment(&format!("dossier-{id}.{}", format.name()), content_type).body(bytes))
}

/// The dossier of a delivery, and its media type.
pub(in crate::console) async fn dossier_of(
    console: &Console,
    actor: Actor,
    made_by: &str,
    id: Uuid,
    format: DossierFormat,
) -> Result<(Vec<u8>, &'static str), PageError> {
    let detail = console.store.reports().delivery(id).await?.ok_or(PageError::NotFound)?;
    let words = words(console, &detail).await?;
    let order = DossierOrder {
        actor,
        made_by: made_by.to_owned(),
        at: console.clocks.wall.now(),
        asked: DossierQuestion::Notification(id.to_string()),
        details: std::slice::from_ref(&detail),
        format,
    };
    let bytes = dossiers::make(&console.store, &console.dossiers, order, words).await?;
    let content_type = match format {
        DossierFormat::Pdf => "application/pdf",
        DossierFormat::Html => "text/html; charset=utf-8",
        DossierFormat::Json => "application/json",
    };
    Ok((bytes, content_type))
}

// In the language of the recipient, as far as it is known and has words.
async fn words(console: &Console, detail: &DeliveryDetail) -> Result<DossierWords, PageError> {
    let recipient = match detail.line.recipient {
        Some(id) => console.store.recipients().get(RecipientId(id)).await?,
        None => None,
    };
    let templates = &console.dossiers.templates;
    let locale: &Locale = recipient.as_ref().map_or(&templates.default_locale, |it| &it.locale);
    match dossiers::words(templates, locale)? {
        Some(words) => Ok(words),
        None => Ok(DossierWords::english().map_err(dossiers::Error::Words)?),
    }
}
