//! The gateways that share the database.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use uuid::Uuid;

use super::session::query;
use super::{Postgres, schema};
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::nodes::{GatewayNode, Heartbeat, Nodes, is_right};

/// The columns of `node`, in their order.
type NodeRow = (Uuid, String, String, i64, i64, i64, i64);

#[async_trait]
impl Nodes for Postgres {
    async fn database_time(&self) -> Result<Option<Timestamp>, Error> {
        let text = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let (micros,): (i64,) = self.reading().await?.one(query(text)).await?;
        Ok(Some(Timestamp::from_micros(micros)))
    }

    async fn keep_node(&self, heartbeat: &Heartbeat, clock_offset_us: i64) -> Result<(), Error> {
        self.takes_over.store(is_right(clock_offset_us), Ordering::Relaxed);
        let Some(node) = self.node else { return Ok(()) };
        let text = "INSERT INTO node (id, name, version, schema, started_at, seen_at, clock_offset_us)
            VALUES ($1, $2, $3, $4, $5, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, $6)
            ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = excluded.version, schema = excluded.schema,
              started_at = excluded.started_at, seen_at = excluded.seen_at, clock_offset_us = excluded.clock_offset_us";
        let statement = query(text).bind(node).bind(&heartbeat.name).bind(&heartbeat.version).bind(schema::newest());
        self.write(statement.bind(heartbeat.started_at.micros()).bind(clock_offset_us)).await.map(drop)
    }

    async fn nodes(&self) -> Result<Vec<GatewayNode>, Error> {
        let text = "SELECT id, name, version, schema, started_at, seen_at, clock_offset_us FROM node
            WHERE seen_at > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 86400000000 ORDER BY name, id";
        let rows: Vec<NodeRow> = self.reading().await?.all(query(text)).await?;
        let node = |(id, name, version, schema, started_at, seen_at, clock_offset_us)| GatewayNode {
            id,
            name,
            version,
            schema,
            started_at: Timestamp::from_micros(started_at),
            seen_at: Timestamp::from_micros(seen_at),
            clock_offset_us,
        };
        Ok(rows.into_iter().map(node).collect())
    }
}
