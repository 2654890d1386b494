//! What the gateway knows of its providers while it runs: whether each is enabled, how it does, what it may be paid.

pub(crate) mod receipt_rate;
pub mod registry;
