//! The certificate authority that signs the processors' CSRs, and its files.

pub(crate) mod authority;
pub(crate) mod environment;
pub mod index;
pub mod store;
pub(crate) mod unlocked;
