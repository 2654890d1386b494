//! A part of the audit log as a file for an operator: a bundle in a ZIP, which `otpost audit verify` accepts when it is
//! unpacked. That somebody asks for it is an audit event, recorded before the file is begun.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::audit_bundle::{self, BundleRange};
use super::audit_state::verifier;
use super::exports::{self, ExportOrder, ExportProgress, Exports};
use super::tasks::notary;
use crate::domain::access::Action;
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::store::{self, Store};

/// More events are for `otpost audit export`, which writes them without a limit.
const EVENTS_MAX: u64 = 1_000_000;

/// Why a bundle is not begun.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Export(#[from] exports::Error),
    /// There is nothing to export.
    #[error(transparent)]
    Range(audit_bundle::Error),
    #[error("these are {0} events; choose a shorter range with at most {EVENTS_MAX}, or use otpost audit export")]
    TooMany(u64),
    #[error("{0}")]
    Key(String),
    #[error("the export cannot be recorded in the audit log")]
    Record(#[source] store::Error),
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct AuditOrder {
    pub from: Timestamp,
    pub to: Timestamp,
    /// The account of the operator.
    pub owner: String,
    pub actor: Actor,
    pub at: Timestamp,
    /// Where the bundle is written before it is packed.
    pub folder: PathBuf,
}

/// Begins the file.
pub async fn start(
    exports: &Exports,
    store: &Arc<Store>,
    settings: &notary::Settings,
    order: AuditOrder,
) -> Result<Uuid, Error> {
    if !store.has_space() {
        return Err(exports::Error::NoSpace.into());
    }
    let range = audit_bundle::range(store, order.from, order.to).await.map_err(Error::Range)?;
    let events = range.newest.size - range.first;
    if events > EVENTS_MAX {
        return Err(Error::TooMany(events));
    }
    let key =
        verifier(settings).and_then(|key| key.to_text().map_err(|error| error.to_string())).map_err(Error::Key)?;
    let event = AuditEvent::new(order.actor, AuditKind::AuditExported, order.at);
    let event = event.with("first", range.first).with("events", events);
    store.audit_events().record(&[event]).await.map_err(Error::Record)?;
    let (first, last) = (range.first, range.newest.size - 1);
    let what = ExportOrder {
        owner: order.owner,
        action: Action::ExportAudit,
        title: format!("Audit log, events {first} to {last}, with the proof"),
        file_name: format!("audit-{first}-{last}.zip"),
        content_type: "application/zip".to_owned(),
    };
    let (store, folder) = (Arc::clone(store), order.folder);
    let work = |file, progress: Arc<ExportProgress>| async move {
        write(&store, &range, &key, &folder, file, &progress).await.map_err(|error| chain(&error))
    };
    Ok(exports.start(what, work)?)
}

async fn write(
    store: &Store,
    range: &BundleRange,
    key: &str,
    folder: &Path,
    file: File,
    progress: &ExportProgress,
) -> Result<(), audit_bundle::Error> {
    let place = tempfile::Builder::new().prefix(".otpost-audit-").tempdir_in(folder)?;
    let name = format!("audit-{}-{}", range.first, range.newest.size - 1);
    let (bundle, all) = (place.path().join(&name), range.newest.size - range.first);
    let done = std::sync::atomic::AtomicU64::new(0);
    let count = |more| {
        let before = done.fetch_add(more, std::sync::atomic::Ordering::Relaxed);
        progress.set(before + more, all);
    };
    audit_bundle::write(store, &bundle, (range.first, &range.newest), key, &count).await?;
    Ok(pack(&bundle, &name, file)?)
}

/// Writes all files below `folder` into a ZIP, below `name`.
fn pack(folder: &Path, name: &str, file: File) -> io::Result<()> {
    let mut zip = ZipWriter::new(BufWriter::new(file));
    let mut folders = vec![(folder.to_owned(), name.to_owned())];
    while let Some((folder, name)) = folders.pop() {
        let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, name) = (entry.path(), format!("{name}/{}", entry.file_name().to_string_lossy()));
            if path.is_dir() {
                folders.push((path, name));
                continue;
            }
            zip.start_file(name, SimpleFileOptions::default()).map_err(io::Error::other)?;
            zip.write_all(&fs::read(path)?)?;
        }
    }
    zip.finish().map_err(io::Error::other)?.flush()
}
