//! The live texts in the database, for a gateway whose templates are edited in the console.
//!
//! The first start takes the texts of the folder into the database. From then on the folder is not read: `otpost template
//! pull` and `push` move texts between the two.

use std::collections::BTreeSet;

use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;
use crate::render::{self, Renderer, Settings, TemplatePath, TemplateSet, shipped};
use crate::store::template_changes::PublishedTexts;
use crate::store::{self, Store};

/// Why the live texts cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The texts of the folder cannot be used, and the database has none yet.
    #[error(transparent)]
    Render(#[from] render::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The live texts. If there are none yet, those of the folder are made live, provided that they are valid. Reads files.
pub async fn load(settings: &Settings, store: &Store, at: Timestamp) -> Result<PublishedTexts, SourceError> {
    let published = store.template_changes().published_texts().await?;
    if published.last != 0 {
        report_differences(settings, &published);
        return Ok(published);
    }
    let folder = TemplateSet::load(&settings.dir)?;
    Renderer::compile(&folder, settings)?;
    let texts = folder.texts();
    let event = AuditEvent::gateway(AuditKind::TemplatesAdopted, at).with("count", texts.len());
    store.template_changes().adopt_texts(&texts, &event).await?;
    tracing::info!(
        count = texts.len(),
        "the texts of the template folder are in the database now, and are edited there"
    );
    Ok(store.template_changes().published_texts().await?)
}

/// The template set of the live texts. A kind of notification that is new in this version has its shipped texts until it is
/// edited.
pub fn set_of(published: &PublishedTexts, settings: &Settings) -> TemplateSet {
    let texts = published.texts.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)));
    let set = TemplateSet::of_texts(&settings.dir, texts);
    let known: Vec<_> = published.texts.keys().filter_map(|path| TemplatePath::parse(path)).collect();
    let locales: BTreeSet<&Locale> = known.iter().map(|path| &path.locale).collect();
    let shipped = shipped();
    let of_shipped = |(locale, kind): (&Locale, Kind)| {
        let is_new = !known.iter().any(|path| path.locale == *locale && path.kind() == Some(kind));
        let paths = Channel::ALL
            .into_iter()
            .flat_map(|channel| TemplatePath::of_message(locale, kind, channel))
            .collect::<Vec<_>>();
        if is_new { paths } else { Vec::new() }
    };
    let missing = locales.iter().flat_map(|locale| Kind::ALL.map(|kind| (*locale, kind))).flat_map(of_shipped);
    missing.fold(set, |set, path| match shipped.text(&path) {
        Some(text) => set.with_text(&settings.dir, &path, Some(text)),
        None => set,
    })
}

// A folder that was edited since is not used, which its editor should learn.
fn report_differences(settings: &Settings, published: &PublishedTexts) {
    let Ok(folder) = TemplateSet::load(&settings.dir) else { return };
    let differ = folder.texts().into_iter().filter(|(path, text)| published.text(path) != Some(text.as_str()));
    let paths: Vec<_> = differ.map(|(path, _)| path).collect();
    if !paths.is_empty() {
        let (count, paths) = (paths.len(), paths.join(" "));
        tracing::warn!(
            count,
            paths,
            "files of the template folder differ from the live texts and are not used; otpost template push makes a change of \
             them, otpost template pull replaces them"
        );
    }
}
