//! Reading attempts back, for claims, receipts and reports.

use std::collections::HashMap;

use sqlx::Row;
use uuid::Uuid;

use super::Postgres;
use super::session::{DatabaseSession, query};
use crate::domain::delivery::Attempt;
use crate::store::Error;
use crate::store::attempts::attempt;

impl Postgres {
    /// The attempts at each of the deliveries, in order; deliveries without any are left out.
    pub(super) async fn attempts(&self, deliveries: &[Uuid]) -> Result<HashMap<Uuid, Vec<Attempt>>, Error> {
        if deliveries.is_empty() {
            return Ok(HashMap::new());
        }
        attempts_on(&mut self.reading().await?, deliveries).await
    }
}

/// The attempts, as this session sees them.
pub(super) async fn attempts_on(
    session: &mut DatabaseSession,
    deliveries: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Attempt>>, Error> {
    let text = "SELECT a.* FROM attempt AS a WHERE a.delivery_id = ANY($1) ORDER BY a.delivery_id, a.number";
    let rows = session.rows(query(text).bind(deliveries)).await?;
    let mut attempts: HashMap<Uuid, Vec<Attempt>> = HashMap::new();
    for row in &rows {
        attempts.entry(row.try_get("delivery_id")?).or_default().push(attempt(row)?);
    }
    Ok(attempts)
}
