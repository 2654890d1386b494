//! What the gateway knows of its providers while it runs: whether each is enabled, how healthy it is, what was spent on it,
//! and how many receipts are missing.

mod circuit_metrics;
pub mod drain_effect;
mod gone_contacts;
pub(crate) mod receipt_rate;
pub mod registry;
pub mod report;
mod saved_states;
pub mod spend;
mod trouble;
