//! The templates that a gateway starts with: those of the folder, or the last ones that were valid.

use super::Error;
use crate::render::{self, LiveTemplates, Renderer, Settings, set_of_snapshots};
use crate::store::Store;

/// Loads the templates of the folder. When they cannot be used, those that the database keeps from the last run are active,
/// all of them: a message must never mix an edit with what it was meant to replace. Then the second value says what is wrong
/// with the folder.
pub(super) async fn open(settings: &Settings, store: &Store) -> Result<(LiveTemplates, Option<render::Error>), Error> {
    let seen = LiveTemplates::fingerprint(settings);
    let error = match LiveTemplates::open(settings) {
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

fn is_about_files(error: &render::Error) -> bool {
    matches!(
        error,
        render::Error::Rejected(_)
            | render::Error::Unreadable { .. }
            | render::Error::NoTemplates { .. }
            | render::Error::Missing { .. }
    )
}
