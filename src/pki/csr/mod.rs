//! Certificate signing requests (PKCS #10): reading, making and reviewing them.

pub(crate) mod request;
pub(crate) mod review;
