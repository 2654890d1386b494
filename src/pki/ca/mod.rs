//! The certificate authority that signs the processors' requests, and the files it keeps.

pub(crate) mod authority;
pub(crate) mod environment;
pub mod index;
pub mod store;
pub(crate) mod unlocked;
