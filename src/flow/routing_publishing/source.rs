//! The live texts in the database, for a gateway whose plans, limits and providers are edited in the console.

use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::routing_text::RoutingTexts;
use crate::store::{self, Store};

/// The live texts of a database; `None` before the first start with the console as their source.
pub async fn published(store: &Store) -> Result<Option<RoutingTexts>, store::Error> {
    let published = store.routing_changes().published_texts().await?;
    let texts = published.texts.into_iter().filter_map(|(path, text)| Some((path, text?)));
    Ok((published.last != 0).then(|| texts.collect()))
}

/// The live texts. If there are none yet, those of the configuration file are made live; `of_file` must be valid.
pub async fn load(store: &Store, of_file: &RoutingTexts, at: Timestamp) -> Result<RoutingTexts, store::Error> {
    let Some(live) = published(store).await? else {
        let texts: Vec<_> = of_file.iter().map(|(path, text)| (path.clone(), text.clone())).collect();
        let event = AuditEvent::gateway(AuditKind::RoutingAdopted, at).with("count", texts.len());
        store.routing_changes().adopt_texts(&texts, &event).await?;
        tracing::info!(
            count = texts.len(),
            "the plans, limits and providers of the configuration file are in the database now, and are edited there"
        );
        return Ok(of_file.clone());
    };
    if live != *of_file {
        tracing::warn!(
            "plans, limits and providers of the configuration file differ from those in the database and are not used"
        );
    }
    Ok(live)
}
