//! Publishes checkpoints where a forger of the database cannot change them: the log, and folders of other machines.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::Settings;
use crate::pki;
use crate::store::audit_tree::StoredCheckpoint;

/// The newest checkpoint.
pub const NEWEST: &str = "checkpoint";

/// The checkpoints that were published last, and where.
pub(super) fn published(settings: &Settings) -> Vec<(String, String)> {
    let files = settings.publish.iter().map(|folder| folder.join(NEWEST));
    files.filter_map(|file| Some((file.display().to_string(), fs::read_to_string(&file).ok()?))).collect()
}

/// Publishes everywhere. A place that fails is named in the log, and gets the next one.
pub(super) async fn publish(settings: &Settings, checkpoint: &StoredCheckpoint) {
    tracing::info!(size = checkpoint.size, note = checkpoint.note, "audit checkpoint");
    for folder in settings.publish.clone() {
        let (place, checkpoint) = (folder.display().to_string(), checkpoint.clone());
        let written = tokio::task::spawn_blocking(move || write(&folder, &checkpoint)).await;
        let failed = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        let label = metrics::gauge!("otpost_audit_publish_failed", "place" => place.clone());
        label.set(if failed.is_some() { 1.0 } else { 0.0 });
        if let Some(error) = failed {
            tracing::error!(place, error, "checkpoint could not be published");
        }
    }
}

// One file a day keeps them all; the newest has a name of its own.
fn write(folder: &Path, checkpoint: &StoredCheckpoint) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let day = checkpoint.at.to_jiff().to_string();
    let day = day.get(..10).unwrap_or(&day);
    let mut all = OpenOptions::new().create(true).append(true).open(folder.join(format!("checkpoints-{day}.txt")))?;
    all.write_all(format!("{}\n", checkpoint.note).as_bytes())?;
    all.sync_all()?;
    pki::replace(&folder.join(NEWEST), checkpoint.note.as_bytes()).map_err(io::Error::other)
}
