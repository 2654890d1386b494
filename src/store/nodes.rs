//! The gateways that share a database, and how far their clocks are from its own.
//!
//! A node whose clock is wrong would take deliveries from nodes whose leases have not ended. It says so and takes over none.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::{Error, Store};
use crate::domain::clock::Timestamp;

/// A node whose clock is further from that of the database takes over no deliveries of other nodes.
pub const CLOCK_OFFSET_MAX: Duration = Duration::from_secs(1);

/// A node that was not seen for so long is dead. It says that it is alive each second.
pub const SILENT_AFTER: Duration = Duration::from_secs(15);

/// A gateway as it was seen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayNode {
    pub id: Uuid,
    /// The name of its machine.
    pub name: String,
    /// Of otpost.
    pub version: String,
    /// The newest migration that it knows.
    pub schema: i64,
    pub started_at: Timestamp,
    /// By the clock of the database.
    pub seen_at: Timestamp,
    /// Microseconds by which its clock was ahead of the database's.
    pub clock_offset_us: i64,
}

impl GatewayNode {
    /// Whether its clock can be relied on.
    pub fn has_right_clock(&self) -> bool {
        is_right(self.clock_offset_us)
    }
}

/// Whether a clock that is so many microseconds ahead of the database's can be relied on.
pub(super) fn is_right(offset_us: i64) -> bool {
    u128::from(offset_us.unsigned_abs()) <= CLOCK_OFFSET_MAX.as_micros()
}

/// What a node says about itself.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    pub name: String,
    pub version: String,
    pub started_at: Timestamp,
}

/// The nodes of a database. One that a gateway has for itself has none, as it is here.
#[async_trait]
pub trait Nodes: Send + Sync {
    /// The time of the database; `None` when it has no clock of its own.
    async fn database_time(&self) -> Result<Option<Timestamp>, Error> {
        Ok(None)
    }
    /// Says that this node is alive.
    async fn keep_node(&self, _heartbeat: &Heartbeat, _clock_offset_us: i64) -> Result<(), Error> {
        Ok(())
    }
    /// The nodes that were seen within a day, by name.
    async fn nodes(&self) -> Result<Vec<GatewayNode>, Error> {
        Ok(Vec::new())
    }
}

impl Store {
    /// Says that this node is alive. Returns by how many microseconds its clock is ahead of the database's; `None` for a database
    /// of one gateway.
    pub async fn beat(&self, heartbeat: &Heartbeat) -> Result<Option<i64>, Error> {
        let before = self.clock.now();
        let Some(database) = self.backend.database_time().await? else { return Ok(None) };
        let middle = before.micros().midpoint(self.clock.now().micros());
        let offset = middle - database.micros();
        self.backend.keep_node(heartbeat, offset).await?;
        Ok(Some(offset))
    }

    /// The gateways that share the database.
    pub fn nodes(&self) -> &dyn Nodes {
        &*self.backend
    }
}
