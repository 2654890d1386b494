//! Puts audit events into the Merkle tree, signs its checkpoints and publishes them.
//!
//! A checkpoint is signed when 256 events wait, or ten seconds after the first one that waits. Nothing waits for it: an event is
//! durable with the change that it describes. When the tree does not agree with what was published before, nothing is signed
//! any more; deliveries go on, and `otpost_audit_log_ok` is 0.

mod attempts;
pub mod mail;
mod publish;
mod settings;
pub mod timestamp;
mod tree;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::audit::checkpoint::Checkpoint;
use crate::audit::edge::TreeEdge;
use crate::audit::leaf::ClockState;
use crate::audit::note::NoteSigner;
use crate::audit::tile::encode_hashes;
use crate::domain::chain;
use crate::domain::clock::{Clocks, Timestamp};
use crate::store::Store;
use crate::store::audit_tree::{LoggedEvent, StoredCheckpoint, StoredTile};

pub use publish::NEWEST;
pub use settings::{Settings, signer};
pub use tree::{leaf_of, load_tiles};

const CHECK_EVERY: Duration = Duration::from_secs(1);
/// An event is signed at the latest so long after it was written.
const SIGN_WITHIN: Duration = Duration::from_secs(10);
/// So many events are signed at once, without waiting for more.
const BATCH: usize = 256;
/// Events of one checkpoint, at most. Under load it covers all that wait, because each costs a commit.
const EVENTS_MAX: u32 = 8_192;
/// How long a stop may wait for the last signature.
const FINISH_WITHIN: Duration = Duration::from_secs(2);
/// A longer wait is a failure of the log (Commission Delegated Regulation (EU) 2024/1774, article 12).
const LAG_MAX: Duration = Duration::from_secs(30);

/// Why nothing is signed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Key(String),
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    #[error("audit event {index} cannot be written as a leaf")]
    Leaf { index: u64, source: serde_json::Error },
    #[error("the checkpoint could not be signed")]
    Sign(#[from] crate::audit::checkpoint::Error),
    #[error("the tree in the database cannot be read")]
    Tree(#[from] crate::audit::tile::MissingTile),
    #[error("the tree in the database does not have the root that was signed for {size} events")]
    Changed { size: u64 },
    #[error(
        "{place} has a checkpoint of {published} events, and the database has {size}: an older database was restored"
    )]
    RolledBack { place: String, published: u64, size: u64 },
    #[error(
        "{place} has a checkpoint of {size} events with another root: the database is not the one that it was published for"
    )]
    Forked { place: String, size: u64 },
    #[error("{place}: {source}")]
    Published { place: String, source: crate::audit::checkpoint::Error },
}

impl Error {
    /// Whether another try can succeed.
    fn is_temporary(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}

/// Signs the audit log of one database.
pub struct Notary {
    store: Arc<Store>,
    clocks: Clocks,
    settings: Settings,
    signer: NoteSigner,
    edge: TreeEdge,
    started_at: Timestamp,
    waiting_since: Option<Timestamp>,
    published: u64,
    published_at: Option<Timestamp>,
    is_late: bool,
}

/// Signs until the process ends.
pub async fn run(store: Arc<Store>, clocks: Clocks, settings: Settings) {
    let ok = metrics::gauge!("otpost_audit_log_ok");
    metrics::counter!("otpost_audit_checkpoints_total").absolute(0);
    metrics::gauge!("otpost_audit_lag_seconds").set(0.0);
    let mut check = tokio::time::interval(CHECK_EVERY);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut notary = None;
    loop {
        check.tick().await;
        let result = match &mut notary {
            None => match Notary::start(&store, &clocks, &settings).await {
                Ok(started) => {
                    notary = Some(started);
                    continue;
                }
                Err(error) => Err(error),
            },
            Some(notary) => notary.step().await,
        };
        ok.set(if result.is_ok() { 1.0 } else { 0.0 });
        match result {
            Ok(()) => {}
            Err(error) if error.is_temporary() => {
                tracing::warn!(error = chain(&error), "audit events could not be signed; tried again");
                notary = None;
            }
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "the audit log is not signed any more; deliveries go on: see `otpost help operations`"
                );
                return;
            }
        }
    }
}

/// Signs and publishes what the gateway wrote last, before it closes the database.
pub async fn finish(store: &Arc<Store>, clocks: &Clocks, settings: &Settings) {
    let rest = async { Notary::start(store, clocks, settings).await?.finish().await };
    match tokio::time::timeout(FINISH_WITHIN, rest).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(error = chain(&error), "the last audit events are not signed"),
        Err(_) => tracing::warn!("the last audit events are signed after the next start"),
    }
}

impl Notary {
    /// Reads the key and the tree, and compares the tree with what was signed and published before.
    pub async fn start(store: &Arc<Store>, clocks: &Clocks, settings: &Settings) -> Result<Self, Error> {
        let last = store.audit_tree().last_checkpoint().await?;
        let signer = signer(settings, last.is_none()).map_err(Error::Key)?;
        let size = last.as_ref().map_or(0, |checkpoint| checkpoint.size);
        let edge = TreeEdge::read(&load_tiles(store, size).await?, size)?;
        let verifier = signer.verifier().map_err(crate::audit::checkpoint::Error::Note)?;
        if let Some(last) = last {
            let signed = Checkpoint::open(&last.note, &verifier)
                .map_err(|source| Error::Published { place: "the database".to_owned(), source })?;
            if (signed.size, signed.root) != (size, edge.root()) {
                return Err(Error::Changed { size });
            }
        }
        for (place, note) in publish::published(settings) {
            let published = Checkpoint::open(&note, &verifier)
                .map_err(|source| Error::Published { place: place.clone(), source })?;
            tree::continues(store, &place, published, size).await?;
        }
        Ok(Self {
            store: Arc::clone(store),
            clocks: clocks.clone(),
            settings: settings.clone(),
            signer,
            edge,
            started_at: clocks.steady.now(),
            waiting_since: None,
            published: 0,
            published_at: None,
            is_late: false,
        })
    }

    /// Signs what is due, and publishes.
    pub async fn step(&mut self) -> Result<(), Error> {
        loop {
            let events = self.store.audit_tree().logged_events(self.edge.size(), EVENTS_MAX).await?;
            let now = self.clocks.steady.now();
            self.watch_lag(events.first(), now);
            let is_full = events.len() >= BATCH;
            let since = *self.waiting_since.get_or_insert(now);
            if events.is_empty() {
                self.waiting_since = None;
            }
            if events.is_empty() || (!is_full && now.since(since) < SIGN_WITHIN) {
                break;
            }
            self.sign(&events, now).await?;
            self.waiting_since = None;
        }
        self.publish().await;
        Ok(())
    }

    // Signs every event that is in the database now.
    async fn finish(&mut self) -> Result<(), Error> {
        loop {
            let events = self.store.audit_tree().logged_events(self.edge.size(), EVENTS_MAX).await?;
            if events.is_empty() {
                break;
            }
            self.sign(&events, self.clocks.steady.now()).await?;
        }
        self.published_at = None;
        self.publish().await;
        Ok(())
    }

    async fn sign(&mut self, events: &[LoggedEvent], now: Timestamp) -> Result<(), Error> {
        let clock = ClockState {
            source: self.settings.clock_source.clone(),
            offset_us: self.clocks.wall.now().micros().saturating_sub(now.micros()),
        };
        let mut edge = self.edge.clone();
        for event in events {
            let index = edge.size();
            let leaf = leaf_of(index, event, &clock).hash();
            edge.push(leaf.map_err(|source| Error::Leaf { index, source })?);
        }
        let tiles: Vec<_> = edge
            .take_changed()
            .into_iter()
            .map(|(tile, hashes)| StoredTile {
                level: tile.level.unwrap_or(0),
                number: tile.number,
                hashes: encode_hashes(&hashes),
            })
            .collect();
        let note = Checkpoint { size: edge.size(), root: edge.root() }.sign(&self.settings.name, &self.signer)?;
        let checkpoint = StoredCheckpoint {
            size: edge.size(),
            at: now,
            clock_source: clock.source,
            clock_offset_us: clock.offset_us,
            note,
        };
        if !self.store.audit_tree().grow(self.edge.size(), &tiles, &checkpoint).await? {
            // Another process signs the same database.
            return Err(Error::Changed { size: self.edge.size() });
        }
        metrics::counter!("otpost_audit_checkpoints_total").increment(1);
        self.edge = edge;
        Ok(())
    }

    // What the process before left unsigned waits since the start of this one.
    fn watch_lag(&mut self, oldest: Option<&LoggedEvent>, now: Timestamp) {
        let lag = oldest.map_or(Duration::ZERO, |event| now.since(event.line.at.max(self.started_at)));
        metrics::gauge!("otpost_audit_lag_seconds").set(lag.as_secs_f64());
        let is_late = lag > LAG_MAX;
        if is_late && !self.is_late {
            tracing::error!(lag_s = lag.as_secs(), "audit events wait for their signature: logging is failing");
        } else if !is_late && self.is_late {
            tracing::info!("audit events are signed in time again");
        }
        self.is_late = is_late;
    }

    // The newest checkpoint covers all before it, so that there is no need to publish each.
    async fn publish(&mut self) {
        let now = self.clocks.steady.now();
        let is_due = self.published_at.is_none_or(|at| now.since(at) >= SIGN_WITHIN);
        if self.edge.size() == self.published || !is_due {
            return;
        }
        match self.store.audit_tree().last_checkpoint().await {
            Ok(Some(checkpoint)) => {
                publish::publish(&self.settings, &checkpoint).await;
                (self.published, self.published_at) = (checkpoint.size, Some(now));
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(error = chain(&error), "checkpoint could not be published; tried again"),
        }
    }
}
