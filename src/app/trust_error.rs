//! What to do when a file or setting that decides which clients are trusted cannot be used.
//!
//! The start refuses then: an earlier copy could trust a CA that was removed, a certificate that was revoked, or a client
//! whose entry was deleted.

use super::Error;
use crate::ingest;
use crate::server;

const CLIENT_CA: &str = "an earlier copy is never used, because it could trust a CA that was removed; put the certificate of \
                         the client CA back, which otpost ca init writes to pki/<env>/ca.pem";

const CRL: &str =
    "an earlier list is never used, because it lacks what was revoked since; write a new one with otpost ca crl";

const CLIENT: &str = "an earlier list of clients is never used, because it could contain one that was removed; correct the \
                      entry in the configuration file";

/// Adds what to do to an error about trust; other errors stay as they are.
pub(super) fn explain(error: ingest::Error) -> Error {
    let key = match &error {
        ingest::Error::Server(server::Error::File { key, .. } | server::Error::Setting { key, .. }) => key.as_str(),
        _ => "",
    };
    let advice = match key {
        "ingest.client_ca" | "ingest.trusted_proxy.client_ca" => CLIENT_CA,
        "ingest.crl" => CRL,
        key if key.starts_with("ingest.client ") => CLIENT,
        _ => return Error::Ingest(error),
    };
    Error::Trust { error, advice }
}
