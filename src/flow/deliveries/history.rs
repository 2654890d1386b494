//! Everything that happened to a delivery as a document: what `otpost delivery show` prints, and what the API answers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::listing::DeliverySummary;
use super::message_text::{self, AttemptText, Rendering};
use super::timeline::line::{TemplateName, TimelineLine};
use super::timeline::{self, TimelineEntry};
use crate::render;
use crate::store::audit_archives::AuditArchive;
use crate::store::reports::DeliveryLine;
use crate::store::{Error, Store};

/// Receipts come after the end of a delivery; after this time providers give up.
const RECEIPTS_WITHIN: Duration = Duration::from_hours(72);

/// A delivery and its history.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeliveryHistory {
    #[serde(flatten)]
    pub delivery: DeliverySummary,
    /// The templates of its attempts, where they are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub templates: Option<Vec<SentTemplate>>,
    /// The other deliveries of the same notification, which has several recipients or channels.
    pub other_deliveries: Vec<Uuid>,
    /// The bundles that may have further events of it.
    pub archives: Vec<ArchiveReference>,
    /// In order.
    pub timeline: Vec<TimelineLine>,
}

/// A template that attempts used, and the text that it gives while the content is kept. Codes are masked.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SentTemplate {
    #[serde(flatten)]
    pub template: TemplateName,
    /// The numbers of the attempts.
    pub attempts: Vec<u32>,
    /// Its sources and settings by name.
    pub parts: BTreeMap<String, String>,
    /// The rendered parts; missing when the content was deleted or the template is not valid any more.
    pub rendered: Option<BTreeMap<String, String>>,
    /// Why the template is not valid any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A bundle with events that left the database.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ArchiveReference {
    pub bundle: String,
    #[schema(format = DateTime)]
    pub archived_at: String,
    #[schema(format = DateTime)]
    pub events_until: String,
}

impl DeliveryHistory {
    /// A delivery by its id or by that of its notification; `None` if there is none. With the settings of templates, also what
    /// its messages said.
    pub async fn read(store: &Store, id: Uuid, texts: Option<&render::Settings>) -> Result<Option<Self>, Error> {
        let Some(detail) = store.reports().delivery(id).await? else { return Ok(None) };
        let versions: Vec<_> = detail.attempts.iter().filter_map(|attempt| attempt.template_version).collect();
        let templates = store.template_versions().snapshots(&versions).await?;
        let texts = match texts {
            Some(settings) => Some(message_text::of(store, settings, &detail, &templates).await?),
            None => None,
        };
        let archives = store.audit_archives().archives().await?;
        Ok(Some(Self {
            delivery: DeliverySummary::from(&detail.line),
            templates: texts.map(|texts| texts.iter().map(SentTemplate::from).collect()),
            archives: archived(&archives, &detail.line).map(ArchiveReference::from).collect(),
            timeline: timeline::of(&detail, &templates).iter().map(TimelineEntry::line).collect(),
            other_deliveries: detail.others,
        }))
    }
}

// The archives that may have events of this delivery: those of the time between its first and its last event.
fn archived<'a>(archives: &'a [AuditArchive], line: &'a DeliveryLine) -> impl Iterator<Item = &'a AuditArchive> {
    let is_over =
        |archive: &AuditArchive| line.ended_at.is_some_and(|ended| archive.from > ended.after(RECEIPTS_WITHIN));
    archives.iter().filter(move |archive| line.received_at <= archive.to && !is_over(archive))
}

impl From<&AuditArchive> for ArchiveReference {
    fn from(archive: &AuditArchive) -> Self {
        Self {
            bundle: archive.bundle.clone(),
            archived_at: archive.at.to_string(),
            events_until: archive.to.to_string(),
        }
    }
}

impl From<&AttemptText<'_>> for SentTemplate {
    fn from(text: &AttemptText<'_>) -> Self {
        let (rendered, problem) = match text.rendering() {
            Rendering::Parts(parts) => {
                (Some(parts.iter().map(|(part, text)| ((*part).to_owned(), text.clone())).collect()), None)
            }
            Rendering::NoContent => (None, None),
            Rendering::Invalid(why) => (None, Some(why.clone())),
        };
        Self {
            template: TemplateName::from(text.template()),
            attempts: text.attempts().to_vec(),
            parts: text.sources().map(|(part, source)| (part.to_owned(), source)).collect(),
            rendered,
            problem,
        }
    }
}
