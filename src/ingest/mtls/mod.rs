//! Mutual TLS: trust store, client certificates, revocation, and what each client may do.

pub(crate) mod admission;
pub(crate) mod authorize;
pub(crate) mod client_cert;
pub(crate) mod crl;
pub(crate) mod expiry;
pub(crate) mod pem_files;
pub(crate) mod reason;
pub(crate) mod rejection_log;
pub(crate) mod reloaded;
pub(crate) mod tls;
pub(crate) mod trust;
pub(crate) mod trusted_proxy;
