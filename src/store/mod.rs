//! Durable state: notifications, deliveries, attempts, recipients, and the audit log of every change.
//!
//! Verbs take and return values. No transaction leaves this module, so no provider call can run inside one and no change
//! of state can miss its audit event.
//!
//! Each topic is one small trait, which every database implements where its SQL is. A new query touches four files:
//!
//! ```text
//! store/reports.rs          trait Reports   async fn failures(&self, since: Timestamp) -> Result<u64, Error>;
//! store/sqlite/reports.rs   impl            SELECT count(*) FROM delivery WHERE ...
//! store/postgres/reports.rs impl            the same in the words of PostgreSQL
//! store/memory/reports.rs   impl            the same answer from tables in memory, for tests
//! ```
//!
//! The file of the trait has what both databases share: rows are read back there, by functions over `columns::StoredRow`.
//! Its callers write `store.reports().failures(since)`. [`Store`] itself has only the verbs that do more than run
//! statements: they seal and open contents, make ids and lease tokens, and batch.

mod accept;
pub mod api_tokens;
mod attempts;
pub mod audit_archives;
pub mod audit_events;
pub mod audit_tree;
mod backend;
pub mod backup;
mod channel_list;
pub mod client_certificates;
mod columns;
pub mod database_files;
mod delivery_search;
mod error;
mod fatal_error;
mod hash_labels;
pub mod key_rotation;
mod lease;
#[cfg(feature = "testing")]
pub mod memory;
pub mod nodes;
mod ordering;
mod outbox;
mod postgres;
mod priority_queue;
pub mod providers;
mod read_batcher;
mod receipts;
mod recipient_list;
mod recipients;
pub mod report_model;
pub mod reports;
mod resend;
mod retention;
mod retry;
mod rows;
pub mod seal;
mod seal_key;
pub mod search;
mod settings;
mod settle;
mod split;
mod sqlite;
mod supersede;
pub mod template_changes;
mod template_versions;
pub mod users;
mod write_batcher;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use uuid::Uuid;

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::contact::Contact;
use crate::domain::recipient::RecipientId;
use crate::domain::template_change::ChangeSubject;
use backend::Backend;
use fatal_error::FatalError;
use read_batcher::ReadBatcher;
use seal::Sealer;
use template_changes::Changes;
use write_batcher::WriteBatcher;

pub use accept::{Acceptance, Accepted, Dedupe};
pub use audit_events::{AuditEvents, operator, operators_event, reason_line};
pub use error::Error;
pub use lease::{Claimed, LEASE, Lease};
pub use ordering::Predecessor;
pub use receipts::{Confirmation, DeliveryReceipts, Parked, Reported};
pub use recipient_list::{ListScope, RecipientCounts, RecordChange};
pub use recipients::{RecipientChange, Recipients};
pub use resend::NotResent;
pub use retention::{REMOVED, Retention};
pub use settings::Settings;
pub use split::Share;
pub use template_versions::{KnownTemplates, TemplateVersions};

/// Which process opens the database, and so what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Accepts and delivers. A database file has at most one.
    Gateway,
    /// A command that imports, erases or drains while a gateway may be running.
    Cli,
    /// A command that only looks. Its user needs no write permission, and no key unless it shows what is sealed.
    ReadOnly,
}

/// The store as the rest of otpost knows it.
pub struct Store {
    backend: Arc<dyn Backend>,
    sealer: Arc<Sealer>,
    writer: WriteBatcher,
    reader: ReadBatcher,
    clock: Arc<dyn Clock>,
    next_id: IdSource,
    min_free: u64,
    has_space: AtomicBool,
}

/// Makes new ids: version 7, so that they sort by time.
pub type IdSource = Box<dyn Fn() -> Uuid + Send + Sync>;

impl Store {
    /// Opens the database, migrates it, reads the keys and starts the writer on this runtime.
    pub async fn open(
        settings: &Settings,
        sealing: &seal::Settings,
        mode: OpenMode,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let sealer = match mode {
            OpenMode::Gateway | OpenMode::Cli => Sealer::open(sealing)?,
            OpenMode::ReadOnly => Sealer::open_if_permitted(sealing)?,
        };
        let failure = Arc::new(FatalError::new());
        let backend: Arc<dyn Backend> = if settings.is_shared() {
            postgres::Postgres::open(settings, mode).await?
        } else {
            sqlite::Sqlite::open(settings, mode, Arc::clone(&failure)).await?
        };
        let record_at = (mode != OpenMode::ReadOnly).then(|| clock.now());
        seal_key::check(&*backend, &sealer, record_at).await?;
        Self::with_backend(backend, failure, sealer, clock, settings.min_free, Box::new(Uuid::now_v7)).await
    }

    async fn with_backend(
        backend: Arc<dyn Backend>,
        failure: Arc<FatalError>,
        sealer: Sealer,
        clock: Arc<dyn Clock>,
        min_free: u64,
        next_id: IdSource,
    ) -> Result<Self, Error> {
        let sealer = Arc::new(sealer);
        let writer = WriteBatcher::start(Arc::clone(&backend) as _, Arc::clone(&clock), failure);
        let reader = ReadBatcher::start(Arc::clone(&backend) as _);
        let store =
            Self { backend, sealer, writer, reader, clock, next_id, min_free, has_space: AtomicBool::new(true) };
        store.update_free_space().await?;
        Ok(store)
    }

    /// Audit events that belong to no other change.
    pub fn audit_events(&self) -> &dyn AuditEvents {
        &*self.backend
    }

    /// The parts of the audit log that are in bundles.
    pub fn audit_archives(&self) -> &dyn audit_archives::AuditArchives {
        &*self.backend
    }

    /// The Merkle tree over the audit events.
    pub fn audit_tree(&self) -> &dyn audit_tree::AuditTree {
        &*self.backend
    }

    /// Drained providers, and the gateway's view of all of them.
    pub fn providers(&self) -> &dyn providers::Providers {
        &*self.backend
    }

    /// Delivery receipts.
    pub fn receipts(&self) -> &dyn DeliveryReceipts {
        &*self.backend
    }

    /// What reports count.
    pub fn report_model(&self) -> &dyn report_model::ReportModel {
        &*self.backend
    }

    /// The client certificates that notifications were posted with.
    pub fn client_certificates(&self) -> &dyn client_certificates::ClientCertificates {
        &*self.backend
    }

    /// What lists and timelines show.
    pub fn reports(&self) -> &dyn reports::Reports {
        &*self.backend
    }

    /// Removal of what is too old.
    pub fn retention(&self) -> &dyn Retention {
        &*self.backend
    }

    /// The index of what deliveries are found by.
    pub fn search_index(&self) -> &dyn search::SearchIndex {
        &*self.backend
    }

    /// Changes of templates and published texts.
    pub fn template_changes(&self) -> Changes<'_> {
        self.changes_of(ChangeSubject::Templates)
    }

    /// Changes of plans, limits and providers, and their published texts.
    pub fn routing_changes(&self) -> Changes<'_> {
        self.changes_of(ChangeSubject::Routing)
    }

    /// Changes and published texts of a subject.
    pub fn changes_of(&self, subject: ChangeSubject) -> Changes<'_> {
        Changes::new(&*self.backend, subject)
    }

    /// Template versions and their activations.
    pub fn template_versions(&self) -> &dyn TemplateVersions {
        &*self.backend
    }

    /// Users of the console and their sessions.
    pub fn users(&self) -> &dyn users::ConsoleUsers {
        &*self.backend
    }

    /// Tokens by which programs act for users of the console.
    pub fn api_tokens(&self) -> &dyn api_tokens::StoredTokens {
        &*self.backend
    }

    /// A new id; later ones sort behind it.
    pub fn next_id(&self) -> Uuid {
        (self.next_id)()
    }

    /// Resolves with the reason when the database has failed permanently; the process must then be restarted.
    pub async fn failed(&self) -> String {
        self.writer.failed().await
    }

    /// Why nothing is accepted at the moment; `None` when the store is ready.
    pub fn not_ready_reason(&self) -> Option<&'static str> {
        if self.writer.has_failed() {
            return Some("the database has failed");
        }
        (!self.has_space()).then_some("the disk is nearly full")
    }

    /// Whether the disk had enough free space when it was measured last.
    pub fn has_space(&self) -> bool {
        self.has_space.load(Ordering::Relaxed)
    }

    /// Measures the free space of the disk; while it is below `min_free`, nothing is accepted. Returns the free bytes.
    pub async fn update_free_space(&self) -> Result<u64, Error> {
        let free = self.backend.free_space().await?;
        self.has_space.store(free >= self.min_free, Ordering::Relaxed);
        Ok(free)
    }

    /// Makes the epoch key for codes that are accepted at `at`.
    pub fn prepare_key(&self, at: Timestamp) -> Result<(), Error> {
        Ok(self.sealer.prepare(at)?)
    }

    /// Destroys the epoch keys that no open code needs; returns how many.
    pub fn shred_keys(&self, now: Timestamp, longest_life: Duration) -> Result<usize, Error> {
        Ok(self.sealer.shred(now, longest_life)?)
    }

    /// A name of a recipient for logs, which says nothing without the keys; empty if the cryptographic library fails.
    pub fn recipient_hash(&self, recipient: RecipientId) -> String {
        self.sealer.recipient_hash(recipient).unwrap_or_default()
    }

    /// The hash by which the attempts at a contact are found.
    pub fn contact_hash(&self, contact: &Contact) -> Result<[u8; 16], Error> {
        Ok(self.sealer.contact_hash(contact)?)
    }

    /// The recipient that [`Store::recipient_hash`] named so; `None` when the text is not such a name.
    pub fn recipient_of(&self, hash: &str) -> Result<Option<RecipientId>, Error> {
        Ok(self.sealer.recipient_of(hash)?)
    }

    /// The number of epoch keys: one for each quarter of an hour whose codes may still be open.
    pub fn epoch_keys(&self) -> usize {
        self.sealer.epoch_keys()
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), Error> {
        self.backend.ping().await
    }

    /// Closes the database. Every later call fails.
    pub async fn close(&self) -> Result<(), Error> {
        self.backend.close().await
    }
}
