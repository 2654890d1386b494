//! Saves the state of each provider, so that the command line can report it. It is never read back by a gateway.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::clock::Timestamp;
use crate::route::ranking::ProviderTable;
use crate::store::providers::ProviderState;
use crate::store::{Error, Store};

/// How often states are saved, unless a circuit changes.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// What was saved last.
#[derive(Default)]
pub(super) struct SavedStates {
    at: Option<Instant>,
    circuits: Vec<String>,
}

impl SavedStates {
    /// Saves `states` if a circuit has changed or the time has come.
    pub(super) async fn save(&mut self, store: &Store, states: &[ProviderState]) -> Result<(), Error> {
        let circuits: Vec<_> = states.iter().map(|state| state.circuit.clone()).collect();
        if circuits != self.circuits || self.at.is_none_or(|at| at.elapsed() >= SAVE_EVERY) {
            store.providers().keep_provider_states(states).await?;
            *self = Self { at: Some(Instant::now()), circuits };
        }
        Ok(())
    }
}

/// The state of each provider now.
pub(super) fn states(table: &ProviderTable, observed_at: Timestamp) -> Vec<ProviderState> {
    let whole = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let states = table.entries().map(|(name, entry)| ProviderState {
        provider: name.clone(),
        circuit: entry.health.circuit().name().to_owned(),
        attempts: whole(entry.health.seen()),
        failures: whole(entry.health.failed()),
        latency: entry.health.latency(),
        observed_at,
    });
    states.collect()
}
