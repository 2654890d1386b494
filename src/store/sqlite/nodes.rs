//! The nodes of a database that one gateway has for itself: none.

use async_trait::async_trait;

use super::Sqlite;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::nodes::{GatewayNode, Heartbeat, Nodes};

#[async_trait]
impl Nodes for Sqlite {
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
