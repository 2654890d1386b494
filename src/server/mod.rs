//! The HTTPS server that the listeners share: TLS, PEM files, HTTP/1.1 with limits, and a certificate that can be
//! replaced while the server runs.
//!
//! It knows no route. `receipts` and `console` use it as it is; `ingest` adds its rules for client certificates.

mod base_path;
mod body;
mod control;
mod http;
mod listener;
mod malformed;
mod pem_files;
mod sockets;
mod stream;
mod tls;
mod upgrade_filter;

use std::path::{Path, PathBuf};

pub use base_path::checked_base_path;
pub use body::{BodyError, read_body};
pub use control::ServerControl;
pub use http::{HttpOptions, HttpServer};
pub use listener::{HttpListener, ListenAddress};
pub use malformed::MalformedHead;
pub use pem_files::{ServerIdentity, read_certificates};
pub use sockets::{LISTENERS, ListenSockets, PassedBy, PassedSocket};
pub use stream::ClientStream;
pub use tls::{ClientPin, HANDSHAKE_TIMEOUT, ReloadableTls, SECURITY_LEVEL, acceptor, handshake};

/// Why a listener cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is missing, unreadable or invalid. `key` is the setting that names it.
    #[error("{key} {}: {what}", path.display())]
    File { key: String, path: PathBuf, what: String },
    /// A setting is invalid.
    #[error("{key}: {what}")]
    Setting { key: String, what: String },
    /// The address cannot be bound.
    #[error("{key}: cannot listen on {listen}")]
    Listen { key: String, listen: String, source: std::io::Error },
    /// OpenSSL failed for another reason.
    #[error("the TLS library failed")]
    OpenSsl(#[from] openssl::error::ErrorStack),
}

impl Error {
    /// An error in the file `path`, which the setting `key` names.
    pub fn file(key: impl Into<String>, path: &Path, what: impl Into<String>) -> Self {
        Self::File { key: key.into(), path: path.to_owned(), what: what.into() }
    }

    /// An error in the setting `key`.
    pub fn setting(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Setting { key: key.into(), what: what.into() }
    }
}
