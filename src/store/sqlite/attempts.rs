//! Reading attempts back, for claims, receipts and reports.

use std::collections::HashMap;

use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::Sqlite;
use super::json_rows::{Hex, array};
use crate::domain::delivery::Attempt;
use crate::store::Error;
use crate::store::attempts::attempt;

impl Sqlite {
    /// The attempts at each of the deliveries, in order; deliveries without any are left out.
    pub(super) async fn attempts(&self, deliveries: &[Uuid]) -> Result<HashMap<Uuid, Vec<Attempt>>, Error> {
        let mut connection = self.read.acquire().await?;
        attempts_on(&mut connection, deliveries).await
    }
}

/// The attempts, as this connection sees them.
pub(super) async fn attempts_on(
    connection: &mut SqliteConnection,
    deliveries: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Attempt>>, Error> {
    let rows = sqlx::query(
        "SELECT a.* FROM json_each(?1) AS q CROSS JOIN attempt AS a ON a.delivery_id = unhex(q.value)
               ORDER BY a.delivery_id, a.number",
    )
    .bind(array(deliveries.iter().map(|id| Hex(id.as_bytes()))))
    .fetch_all(connection)
    .await?;
    let mut attempts: HashMap<Uuid, Vec<Attempt>> = HashMap::new();
    for row in &rows {
        attempts.entry(row.try_get("delivery_id")?).or_default().push(attempt(row)?);
    }
    Ok(attempts)
}
