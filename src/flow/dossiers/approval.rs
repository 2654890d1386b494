//! Who wrote, approved and published the template of a message.

use super::Error;
use super::gather::event_record;
use super::proofs::Proofs;
use crate::domain::clock::Timestamp;
use crate::domain::template_version::TemplateSnapshot;
use crate::dossier::ApprovalRecord;
use crate::store::Store;

/// Texts of one template that are looked through for the one that was used, the newest first.
const VERSIONS_MAX: u32 = 1_000;

/// The change that made the template what it was at `used_at`: the last one that published a part of it. Nothing for a template
/// that no change published.
pub(super) async fn of(
    store: &Store,
    template: &TemplateSnapshot,
    used_at: Timestamp,
    proofs: &mut Proofs<'_>,
) -> Result<Option<ApprovalRecord>, Error> {
    let changes = store.template_changes();
    let mut newest = None;
    for (part, text) in template.parts.iter().filter(|(part, _)| TemplateSnapshot::is_text(part)) {
        let path = format!("{}/{}/{part}", template.key.locale, template.key.kind);
        let versions = changes.text_versions(&path, VERSIONS_MAX).await?;
        // The text decides, and the time only between equal ones: a change is stamped by another clock than an attempt.
        let same: Vec<_> = versions.into_iter().filter(|it| it.text.as_ref() == Some(text)).collect();
        let used = same.iter().find(|it| it.at <= used_at).or(same.last());
        newest = newest.max(used.and_then(|it| Some((it.seq, it.change?))));
    }
    let Some((_, id)) = newest else { return Ok(None) };
    let Some(change) = changes.change(id).await? else { return Ok(None) };
    let event = match store.reports().publication(id).await? {
        Some(event) => Some(event_record(&event, proofs).await?),
        None => None,
    };
    Ok(Some(ApprovalRecord {
        change: id,
        authors: change.authors,
        approved_by: change.reviewer,
        approved_at: change.reviewed_at.map(|at| at.to_string()),
        published_by: change.publisher,
        published_at: change.published_at.map(|at| at.to_string()),
        event,
    }))
}
