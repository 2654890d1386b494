//! Mutual TLS: the trust store, client certificates, revocation, and what each client may do.

pub(super) mod authorize;
pub(super) mod client_cert;
mod crl;
pub(super) mod reason;
pub(super) mod rejection_log;
pub(super) mod request_authorizer;
pub(super) mod tls;
pub(super) mod trust;
mod trust_files;
mod trusted_proxy;
