//! Logs and metrics of circuit breakers and of the order of providers. It decides nothing.

use crate::domain::delivery::{Attempt, ProviderName};
use crate::domain::failure_detail::FailureDetail;
use crate::domain::outcome::Cause;
use crate::route::circuit::Circuit;
use crate::route::ranking::{ProviderTable, RankChange};

/// The state of the provider's circuit.
pub(super) fn circuit(table: &ProviderTable, provider: &ProviderName) -> Option<Circuit> {
    table.entry(provider).map(|entry| entry.health.circuit())
}

/// Logs that `attempt` has opened or closed the circuit of its provider.
pub(super) fn log_change(attempt: &Attempt, before: Option<Circuit>, after: Option<Circuit>) {
    let Attempt { provider, outcome, detail, .. } = attempt;
    match (before, after) {
        (Some(Circuit::Closed), Some(Circuit::Open)) => {
            tracing::error!(%provider, cause = outcome.cause().map(Cause::name),
                detail = detail.as_ref().map(FailureDetail::as_str), "circuit opened: provider is failing");
        }
        (Some(Circuit::Open | Circuit::HalfOpen), Some(Circuit::Closed)) => {
            tracing::info!(%provider, "circuit closed");
        }
        _ => {}
    }
}

/// Logs that providers are tried later than configured, or in their place again.
pub(super) fn log_rank_changes(changes: &[RankChange]) {
    for change in changes {
        match change {
            RankChange::Outranked(provider, better) => {
                let (by, reason) = (&better.by, better.to_string());
                tracing::warn!(%provider, %by, reason, "provider demoted: it is tried after a better one");
            }
            RankChange::Throttled(provider, until) => {
                tracing::warn!(%provider, %until, reason = "it asked for a pause", "provider demoted: others are tried first");
            }
            RankChange::Restored(provider) => {
                tracing::info!(%provider, "provider restored: it is tried in its configured place again");
            }
        }
    }
}

/// Sets the gauge of each provider.
pub(super) fn observe(table: &ProviderTable) {
    for (provider, entry) in table.entries() {
        let level = match entry.health.circuit() {
            Circuit::Closed => 0.0,
            Circuit::HalfOpen => 1.0,
            Circuit::Open => 2.0,
        };
        metrics::gauge!("otpost_circuit_state", "provider" => provider.0.clone()).set(level);
    }
}

/// Sets the gauge of a provider that is no longer configured: nothing is wrong with it.
pub(super) fn forget(provider: &ProviderName) {
    metrics::gauge!("otpost_circuit_state", "provider" => provider.0.clone()).set(0.0);
    metrics::gauge!("otpost_receipts_missing_ratio", "provider" => provider.0.clone()).set(0.0);
}
