//! Logs and metrics of what is spent on providers, and the spending of the hour before this process.

use std::collections::BTreeSet;

use crate::domain::clock::Timestamp;
use crate::domain::delivery::ProviderName;
use crate::route::ranking::ProviderTable;
use crate::store::providers::Billed;

/// Whether any provider has a spend cap.
pub(super) fn is_capped(table: &ProviderTable) -> bool {
    table.entries().any(|(_, entry)| entry.spend.cap().is_some())
}

/// Loads the messages that are on record as sent within the last hour, also by an earlier process.
pub fn load_history(table: &mut ProviderTable, billed: &[Billed]) {
    let providers: BTreeSet<_> = billed.iter().map(|it| &it.provider).collect();
    for provider in providers {
        let of_provider = billed.iter().filter(|it| it.provider == *provider);
        table.load_history(provider, of_provider.map(|it| (it.at, it.units)));
    }
}

/// Counts an OTP that is sent beyond the cap of a provider.
pub(super) fn count_over_cap(provider: &ProviderName) {
    metrics::counter!("otpost_spend_over_cap_total", "provider" => provider.0.clone()).increment(1);
}

/// Logs which providers have reached their cap (`true`) or are below it again.
pub(super) fn log_cap_changes(changes: &[(ProviderName, bool)]) {
    for (provider, is_capped) in changes {
        if *is_capped {
            metrics::counter!("otpost_spend_capped_total", "provider" => provider.0.clone()).increment(1);
            tracing::error!(%provider, "provider has reached its spend_cap_per_hour; others are tried first");
        } else {
            tracing::info!(%provider, "provider is below its spend cap again");
        }
    }
}

/// Sets the gauges of each provider that has a price.
pub(super) fn observe(table: &ProviderTable, now: Timestamp) {
    for (provider, entry) in table.entries().filter(|(_, entry)| !entry.spend.price().is_zero()) {
        let spent = entry.spend.spent(now).units();
        metrics::gauge!("otpost_spend_last_hour", "provider" => provider.0.clone()).set(spent);
        if let Some(cap) = entry.spend.cap() {
            metrics::gauge!("otpost_spend_cap", "provider" => provider.0.clone()).set(cap.units());
        }
    }
}

/// Sets the gauges of a provider that is no longer configured.
pub(super) fn forget(provider: &ProviderName) {
    for gauge in ["otpost_spend_last_hour", "otpost_spend_cap"] {
        metrics::gauge!(gauge, "provider" => provider.0.clone()).set(0.0);
    }
}
