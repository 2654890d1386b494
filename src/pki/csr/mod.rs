//! Certificate signing requests (CSR, PKCS #10): reading, creating and reviewing them.

pub(crate) mod request;
pub(crate) mod review;
pub(crate) mod strength;
