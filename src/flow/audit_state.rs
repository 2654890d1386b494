//! The state of the audit log: how far it is signed, where checkpoints were published, and whether the newest one is right.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::audit_bundle::{self, LeafClocks, leaves};
use super::tasks::notary;
use crate::audit::note::NoteVerifier;
use crate::audit::tile::{WIDTH, decode_hashes};
use crate::domain::clock::{Clocks, Timestamp};
use crate::store::audit_archives::AuditArchive;
use crate::store::audit_events::{EventFilter, EventScope};
use crate::store::audit_tree::StoredCheckpoint;
use crate::store::{self, Store};

/// A folder on another machine may not answer for a long time.
const FOLDER_WAIT: Duration = Duration::from_secs(1);

/// How far the log is signed.
#[derive(Debug, Clone)]
pub struct AuditState {
    /// The bundles that have events which left the database, the oldest first.
    pub archives: Vec<AuditArchive>,
    pub signed: Option<StoredCheckpoint>,
    /// Events that wait for their signature.
    pub waiting: u64,
    pub oldest_waiting: Option<Timestamp>,
}

impl AuditState {
    pub async fn read(store: &Store) -> Result<Self, store::Error> {
        let signed = store.audit_tree().last_checkpoint().await?;
        let size = signed.as_ref().map_or(0, |checkpoint| checkpoint.size);
        let newest = store.audit_events().find(&EventFilter::newest(EventScope::All, 1)).await?.events.pop();
        let newest = newest.and_then(|event| u64::try_from(event.line.seq).ok()).unwrap_or(0);
        let waiting = newest.saturating_sub(size);
        let oldest = if waiting > 0 { store.audit_tree().logged_events(size, 1).await?.pop() } else { None };
        let archives = store.audit_archives().archives().await?;
        Ok(Self { archives, signed, waiting, oldest_waiting: oldest.map(|event| event.line.at) })
    }
}

/// What was published last at a place where a forger of the database cannot change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    pub place: String,
    /// The size of the tree; `None` if nothing can be read there.
    pub size: Option<u64>,
    pub at: Option<Timestamp>,
}

/// The places that are configured.
pub async fn publications(store: &Store, settings: &notary::Settings) -> Result<Vec<Publication>, store::Error> {
    let mut publications = Vec::new();
    for folder in settings.publish.clone() {
        let place = format!("folder {}", folder.display());
        publications.push(Publication { place, size: published_size(folder).await, at: None });
    }
    if !settings.timestamp.url.is_empty() {
        let last = store.audit_tree().last_timestamp().await?;
        let place = format!("time-stamping authority {}", settings.timestamp.url);
        publications.push(Publication { place, size: last.as_ref().map(|it| it.size), at: last.map(|it| it.at) });
    }
    if !settings.mail.to.is_empty() {
        let (size, at) = store.audit_tree().last_publication(notary::mail::PLACE).await?.unzip();
        publications.push(Publication { place: format!("mail with {}", settings.mail.provider), size, at });
    }
    Ok(publications)
}

async fn published_size(folder: PathBuf) -> Option<u64> {
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(folder.join(notary::NEWEST)));
    let note = tokio::time::timeout(FOLDER_WAIT, read).await.ok()?.ok()?.ok()?;
    note.lines().nth(1)?.parse().ok()
}

/// Why the log cannot be proven.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("nothing is signed yet")]
    NothingSigned,
    #[error(transparent)]
    Notary(#[from] notary::Error),
    #[error(transparent)]
    Events(#[from] audit_bundle::Error),
    #[error("event {0} cannot be written as it was logged")]
    Leaf(u64, #[source] serde_json::Error),
    #[error("event {0} in the database is not the one that was signed")]
    Changed(u64),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// What a check has shown.
#[derive(Debug, Clone)]
pub struct CheckedLog {
    /// The events that the newest checkpoint covers.
    pub size: u64,
    /// When it was signed.
    pub at: Timestamp,
    /// The newest events, of which each was hashed again.
    pub hashed: u64,
}

/// Verifies the signature and the root of the newest checkpoint, compares it with what was published, and hashes the events of
/// the last tile again: at most 256, however long the log is. A bundle that is verified offline proves all of its events.
pub async fn check(store: &Arc<Store>, clocks: &Clocks, settings: &notary::Settings) -> Result<CheckedLog, Error> {
    let last = store.audit_tree().last_checkpoint().await?.ok_or(Error::NothingSigned)?;
    notary::Notary::start(store, clocks, settings).await?;
    let first = (last.size - 1) / WIDTH * WIDTH;
    let hashes = store.audit_tree().tile(0, first / WIDTH).await?;
    let hashes = hashes.as_deref().and_then(decode_hashes).unwrap_or_default();
    let (mut clocks, mut index) = (LeafClocks::default(), first);
    while index < last.size {
        for leaf in leaves(store, &mut clocks, index, last.size).await? {
            let hash = leaf.hash().map_err(|error| Error::Leaf(index, error))?;
            let expected = usize::try_from(index - first).ok().and_then(|at| hashes.get(at));
            if expected != Some(&hash) {
                return Err(Error::Changed(index));
            }
            index += 1;
        }
    }
    Ok(CheckedLog { size: last.size, at: last.at, hashed: last.size - first })
}

/// The verifier key of the log, which an auditor needs.
///
/// # Errors
/// A sentence that names the file and what to do.
pub fn verifier(settings: &notary::Settings) -> Result<NoteVerifier, String> {
    notary::signer(settings, false)?.verifier().map_err(|error| error.to_string())
}

/// The number of the first event that was written at `at` or later: event numbers rise with time, and so the log is halved until
/// it is found.
pub async fn first_event_at(store: &Store, at: Timestamp) -> Result<i64, store::Error> {
    let newest = store.audit_events().find(&EventFilter::newest(EventScope::All, 1)).await?.events.pop();
    let (mut low, mut high) = (0, newest.map_or(0, |event| event.line.seq));
    while low < high {
        let middle = low + (high - low) / 2;
        let event = store.audit_tree().logged_events(u64::try_from(middle).unwrap_or(0), 1).await?.pop();
        match event {
            Some(event) if event.line.at < at => low = event.line.seq,
            _ => high = middle,
        }
    }
    Ok(low + 1)
}
