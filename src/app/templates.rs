//! The templates that a gateway starts with: those of their source, or the last ones that were valid.

use std::sync::Arc;

use super::{Base, Error};
use crate::config::Config;
use crate::domain::clock::Timestamp;
use crate::flow::tasks::template_reload::TemplateReloader;
use crate::flow::template_publishing::TemplatePublisher;
use crate::flow::template_publishing::source::{self, SourceError};
use crate::render::{self, LiveTemplates, Renderer, Settings, TemplateSource, set_of_snapshots};
use crate::store::Store;

/// The texts in use, and the two ways in which others replace them.
pub(super) struct Texts {
    pub(super) live: Arc<LiveTemplates>,
    pub(super) reloader: Arc<TemplateReloader>,
    pub(super) publisher: Arc<TemplatePublisher>,
}

impl Texts {
    /// Loads the templates and stores their versions. No message may be rendered before.
    pub(super) async fn open(config: &Config, base: &Base) -> Result<Self, Error> {
        let Base { store, clocks, alarms } = base;
        let (live, rejected) = open(&config.templates, store, clocks.wall.now()).await?;
        let live = Arc::new(live);
        let (stored, steady) = (Arc::clone(store), Arc::clone(&clocks.steady));
        let reloader =
            TemplateReloader::begin(Arc::clone(&live), rejected.as_ref(), stored, steady, Arc::clone(alarms)).await?;
        let (stored, wall) = (Arc::clone(store), Arc::clone(&clocks.wall));
        let publisher =
            TemplatePublisher::new(stored, Arc::clone(&live), &config.templates, wall, Arc::clone(alarms)).await?;
        Ok(Self { live, reloader: Arc::new(reloader), publisher: Arc::new(publisher) })
    }
}

/// Loads the templates of the folder or of the database. When they cannot be used, those that the database keeps from the
/// last run are active, all of them: a message must never mix an edit with what it was meant to replace. Then the second
/// value says what is wrong.
async fn open(
    settings: &Settings,
    store: &Store,
    now: Timestamp,
) -> Result<(LiveTemplates, Option<render::Error>), Error> {
    let seen = LiveTemplates::fingerprint(settings);
    let live = match settings.source {
        TemplateSource::Files => LiveTemplates::open(settings),
        TemplateSource::Console => published(settings, store, now).await?,
    };
    let error = match live {
        Ok(live) => return Ok((live, None)),
        Err(error) => error,
    };
    let snapshots = store.template_versions().active().await?;
    match Renderer::compile(&set_of_snapshots(&snapshots, settings), settings) {
        Ok(renderer) => Ok((LiveTemplates::with_earlier(settings, renderer, seen), Some(error))),
        Err(_) if is_about_files(&error) => Err(Error::NoTemplates(error)),
        // The settings are invalid, whatever the templates say.
        Err(_) => Err(Error::Render(error)),
    }
}

// Before the first change the texts of the folder must be valid: nothing else says what the templates are.
async fn published(
    settings: &Settings,
    store: &Store,
    now: Timestamp,
) -> Result<Result<LiveTemplates, render::Error>, Error> {
    let texts = match source::load(settings, store, now).await {
        Ok(texts) => texts,
        Err(SourceError::Render(error)) => return Err(Error::NoTemplates(error)),
        Err(SourceError::Store(error)) => return Err(error.into()),
    };
    let renderer = Renderer::compile(&source::set_of(&texts, settings), settings);
    Ok(renderer.map(|renderer| LiveTemplates::with_published(settings, renderer)))
}

fn is_about_files(error: &render::Error) -> bool {
    matches!(
        error,
        render::Error::Rejected(_)
            | render::Error::Unreadable { .. }
            | render::Error::NoTemplates { .. }
            | render::Error::Missing { .. }
    )
}
