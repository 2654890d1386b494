//! Dossiers of disputes: gathers what is recorded about deliveries, with proofs, and writes the document. Making one is an
//! audit event, which is recorded before anybody has the document.

mod approval;
mod gather;
mod proofs;

use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::NotificationId;
use crate::domain::recipient::Locale;
use crate::dossier::{self, Dossier, DossierFormat, DossierQuestion, DossierWords, FORMAT};
use crate::render;
use crate::store::reports::DeliveryDetail;
use crate::store::{self, Store};

use super::tasks::{cleanup, notary};
use proofs::Proofs;

/// More are no dispute, and a document of a thousand pages is of no use.
pub const DELIVERIES_MAX: u32 = 200;

/// Why there is no dossier.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The key of the audit log cannot be read.
    #[error("{0}")]
    Key(String),
    #[error("the key of the audit log cannot be used")]
    Verifier(#[from] crate::audit::note::Error),
    #[error("the newest checkpoint in the database is not signed by the key of the log")]
    Checkpoint(#[source] crate::audit::checkpoint::Error),
    /// The tree in the database is incomplete.
    #[error("{0} is missing in the database")]
    Missing(String),
    #[error("event {index} cannot be written as it was logged")]
    Leaf { index: u64, source: serde_json::Error },
    #[error("event {index} in the database is not the one that was logged; see `otpost help audit`")]
    Changed { index: u64, source: crate::audit::tlog_proof::Error },
    /// A file of words is wrong.
    #[error("{0}")]
    Words(String),
    #[error(transparent)]
    Templates(#[from] render::Error),
    #[error(transparent)]
    Pdf(#[from] dossier::Error),
    #[error("the dossier cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    #[error("the dossier cannot be recorded")]
    Record(#[source] store::Error),
}

/// The parts of the configuration that a dossier needs.
#[derive(Debug, Clone)]
pub struct Settings {
    pub audit: notary::Settings,
    pub templates: render::Settings,
    pub retention: cleanup::Settings,
}

/// What an operator wants.
pub struct DossierOrder<'a> {
    pub actor: Actor,
    /// The name of the operator in the document.
    pub made_by: String,
    pub at: Timestamp,
    pub asked: DossierQuestion,
    /// In the order of their acceptance.
    pub details: &'a [DeliveryDetail],
    pub format: DossierFormat,
}

/// The words of `locale` or of a shorter tag; `None` when there are none.
pub fn words(templates: &render::Settings, locale: &Locale) -> Result<Option<DossierWords>, Error> {
    let Some((found, source)) = render::dossier_source(&templates.dir, locale)? else { return Ok(None) };
    let words = DossierWords::parse(found.as_str(), &source);
    words.map(Some).map_err(|error| Error::Words(format!("{found}/{}: {error}", render::DOSSIER_FILE)))
}

/// The bytes of the document.
pub async fn make(
    store: &Store,
    settings: &Settings,
    order: DossierOrder<'_>,
    words: DossierWords,
) -> Result<Vec<u8>, Error> {
    let events = events(&order);
    let DossierOrder { made_by, at, asked, details, format, .. } = order;
    let mut proofs = Proofs::read(store, &settings.audit).await?;
    let mut deliveries = Vec::with_capacity(details.len());
    for detail in details {
        deliveries.push(gather::delivery(store, settings, detail, &mut proofs).await?);
    }
    let log = proofs.log().cloned();
    let dossier = Dossier { format: FORMAT, made_at: at.to_string(), made_by, asked, log, deliveries };
    // Setting a document takes a processor for a while, which must not delay other work of this thread.
    let written = tokio::task::spawn_blocking(move || write(&dossier, format, &words)).await;
    let bytes = written.map_err(|_| dossier::Error::Font)??;
    store.audit_events().record(&events).await.map_err(Error::Record)?;
    Ok(bytes)
}

fn write(dossier: &Dossier, format: DossierFormat, words: &DossierWords) -> Result<Vec<u8>, Error> {
    match format {
        DossierFormat::Pdf => Ok(dossier::render_pdf(dossier, words)?),
        DossierFormat::Html => Ok(dossier::render_html(dossier, words).into_bytes()),
        DossierFormat::Json => serde_json::to_vec_pretty(dossier).map_err(Error::Json),
    }
}

fn events(order: &DossierOrder<'_>) -> Vec<AuditEvent> {
    let made =
        || AuditEvent::new(order.actor.clone(), AuditKind::DossierMade, order.at).with("format", order.format.name());
    let about =
        |detail: &DeliveryDetail| made().about(NotificationId(detail.line.notification), DeliveryId(detail.line.id));
    if order.details.is_empty() {
        return vec![made().with("deliveries", 0)];
    }
    order.details.iter().map(about).collect()
}
