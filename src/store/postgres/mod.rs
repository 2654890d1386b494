//! PostgreSQL, shared by several equal nodes.
//!
//! The statements are those of the SQLite backend in the words of PostgreSQL, with arrays in place of JSON. What is different is
//! what one file on one machine does not have: writers on several nodes ([`session`]), a connection that breaks while a batch is
//! committed ([`commit`]), and leases of nodes that are still alive ([`outbox`]).

mod address;
mod api_tokens;
mod attempts;
mod audit_archives;
mod audit_events;
mod audit_tree;
mod client_certificates;
mod commit;
mod commit_rows;
mod failure;
mod node_folder;
mod nodes;
mod outbox;
mod providers;
mod receipts;
mod recipient_list;
mod recipients;
mod report_model;
mod reports;
mod retention;
mod retire;
mod schema;
mod seal_key;
mod search;
mod search_index;
mod session;
mod template_changes;
mod template_versions;
mod users;

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgPool;
use tokio::time::Instant;
use uuid::Uuid;

pub(super) use failure::{Failure, of as failure_of};

use super::backend::Backend;
use super::{Error, OpenMode, Settings};
use session::query;

/// Connections that write. Transactions take turns: more of them would only wait at the server instead of here.
const WRITERS: u32 = 3;

/// Connections that read.
const READERS: u32 = 6;

/// For so long after the server had no space nothing is accepted, so that open deliveries can be settled.
const FULL_FOR: Duration = Duration::from_secs(5);

/// The database and the connections of this process to it.
pub(super) struct Postgres {
    read: PgPool,
    write: PgPool,
    prepared: bool,
    is_read_only: bool,
    /// This process, for the batches that it commits.
    writer: Uuid,
    /// The node that this gateway is; commands are none.
    node: Option<Uuid>,
    /// Whether the clock of this node is near enough to that of the database to judge the leases of others.
    takes_over: AtomicBool,
    path: PathBuf,
    // Held until the gateway closes the store; the system releases it when the process dies.
    lock: Option<File>,
    full_at: Mutex<Option<Instant>>,
}

impl Postgres {
    /// Connects, migrates the schema and verifies the settings that durability depends on.
    pub(super) async fn open(settings: &Settings, mode: OpenMode) -> Result<Arc<Self>, Error> {
        let is_gateway = mode == OpenMode::Gateway;
        let (node, lock) = if is_gateway { Some(node_folder::enter(settings)?) } else { None }.unzip();
        let path = settings.local_path()?;
        let servers = address::servers(settings)?;
        let server = address::choose(&servers, mode).await?;
        let (read, write) = (address::pool(server.clone(), mode, READERS), address::pool(server, mode, WRITERS));
        let (prepared, is_read_only) = (settings.prepared, mode == OpenMode::ReadOnly);
        let (writer, full_at, takes_over) = (Uuid::new_v4(), Mutex::default(), AtomicBool::new(true));
        let backend = Self { read, write, prepared, is_read_only, writer, node, takes_over, path, lock, full_at };
        backend.verify().await?;
        if is_gateway {
            backend.migrate().await?;
        } else {
            backend.require_current().await?;
        }
        Ok(Arc::new(backend))
    }

    /// Notes that the server had no space, when that was the cause.
    fn note_full(&self, error: &Error) {
        if error.is_disk_full() {
            *self.full_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }
}

#[async_trait]
impl Backend for Postgres {
    // The space of the server's disk is not known here, only that it was used up.
    async fn free_space(&self) -> Result<u64, Error> {
        let full_at = *self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(if full_at.is_some_and(|at| at.elapsed() < FULL_FOR) { 0 } else { u64::MAX / 2 })
    }

    async fn ping(&self) -> Result<(), Error> {
        self.reading().await?.execute(query("SELECT 1")).await.map(drop)
    }

    async fn close(&self) -> Result<(), Error> {
        self.read.close().await;
        self.write.close().await;
        match &self.lock {
            Some(lock) => node_folder::leave(&self.path, lock),
            None => Ok(()),
        }
    }
}
