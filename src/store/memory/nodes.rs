//! The nodes of tables in memory: none, their stores are in one process.

use async_trait::async_trait;

use super::MemoryBackend;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::nodes::{GatewayNode, Heartbeat, Nodes};

#[async_trait]
impl Nodes for MemoryBackend {
    async fn database_time(&self) -> Result<Option<Timestamp>, Error> {
        Ok(None)
    }

    async fn keep_node(&self, _: &Heartbeat, _: i64) -> Result<(), Error> {
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<GatewayNode>, Error> {
        Ok(Vec::new())
    }
}
