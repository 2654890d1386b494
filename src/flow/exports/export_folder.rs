//! What is on the disk of an export: the file itself, and a manifest by which it is known after a restart.
//!
//! Only the account of the gateway can read either. What is no manifest of ours is left alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ExportOrder;
use crate::domain::clock::Timestamp;

/// What follows the id in the name of a manifest.
const MANIFEST: &str = "json";

/// A manifest has some hundred bytes.
const MANIFEST_MAX: u64 = 64 * 1024;

/// How an export ended: the size of its file, or why there is none.
pub(super) type ExportResult = Result<u64, String>;

/// An export as it is found on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredExport {
    pub(super) order: ExportOrder,
    pub(super) asked_at: Timestamp,
    /// Nothing while it is being made.
    pub(super) result: Option<ExportResult>,
}

#[derive(Serialize, Deserialize)]
struct ExportManifest {
    owner: String,
    action: String,
    title: String,
    file_name: String,
    content_type: String,
    asked_at_us: i64,
    size: Option<u64>,
    failed: Option<String>,
}

/// The folder of all exports.
#[derive(Debug, Clone)]
pub(super) struct ExportFolder(PathBuf);

impl ExportFolder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A new file, with its manifest.
    pub(super) fn create(&self, id: Uuid, export: &StoredExport) -> io::Result<File> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let file = private(OpenOptions::new().read(true).write(true).create_new(true)).open(self.file(id))?;
        self.keep(id, export)?;
        Ok(file)
    }

    /// Replaces the manifest as a whole, so that it is never half a one.
    pub(super) fn keep(&self, id: Uuid, export: &StoredExport) -> io::Result<()> {
        let (path, partial) = (self.manifest(id), self.0.join(format!("{id}.partial")));
        let written = private(OpenOptions::new().write(true).create(true).truncate(true)).open(&partial)?;
        serde_json::to_writer(&written, &ExportManifest::of(export))?;
        written.sync_all()?;
        fs::rename(partial, path)
    }

    pub(super) fn open(&self, id: Uuid) -> io::Result<File> {
        File::open(self.file(id))
    }

    /// Removes the file; its manifest stays.
    pub(super) fn remove_file(&self, id: Uuid) {
        let _ = fs::remove_file(self.file(id));
    }

    pub(super) fn remove(&self, id: Uuid) {
        let _ = fs::remove_file(self.manifest(id));
        self.remove_file(id);
    }

    /// The exports that an earlier process left behind. Files without a manifest are removed: no user could fetch them.
    pub(super) fn read(&self) -> Vec<(Uuid, StoredExport)> {
        let Ok(entries) = fs::read_dir(&self.0) else { return Vec::new() };
        let mut found = Vec::new();
        for path in entries.flatten().map(|entry| entry.path()) {
            let Some(id) = path.file_stem().and_then(|name| Uuid::try_parse(name.to_str()?).ok()) else { continue };
            if path.extension().is_some_and(|it| it == MANIFEST) {
                match stored(&path) {
                    Some(export) => found.push((id, export)),
                    None => self.remove(id),
                }
            } else if !self.manifest(id).exists() {
                let _ = fs::remove_file(path);
            }
        }
        found
    }

    fn file(&self, id: Uuid) -> PathBuf {
        self.0.join(format!("{id}.file"))
    }

    fn manifest(&self, id: Uuid) -> PathBuf {
        self.0.join(format!("{id}.{MANIFEST}"))
    }
}

impl ExportManifest {
    fn of(export: &StoredExport) -> Self {
        let StoredExport { order, asked_at, result } = export.clone();
        Self {
            owner: order.owner,
            action: order.action.name().to_owned(),
            title: order.title,
            file_name: order.file_name,
            content_type: order.content_type,
            asked_at_us: asked_at.micros(),
            size: result.clone().and_then(Result::ok),
            failed: result.and_then(Result::err),
        }
    }

    fn export(self) -> Option<StoredExport> {
        let Self { owner, action, title, file_name, content_type, asked_at_us, size, failed } = self;
        let order = ExportOrder { owner, action: action.parse().ok()?, title, file_name, content_type };
        let result = failed.map(Err).or(size.map(Ok));
        Some(StoredExport { order, asked_at: Timestamp::from_micros(asked_at_us), result })
    }
}

fn stored(path: &Path) -> Option<StoredExport> {
    if fs::metadata(path).ok()?.len() > MANIFEST_MAX {
        return None;
    }
    serde_json::from_slice::<ExportManifest>(&fs::read(path).ok()?).ok()?.export()
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}
