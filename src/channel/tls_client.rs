//! TLS over a TCP connection of ours, for the providers that are not reached over HTTP.

use std::io;
use std::path::Path;
use std::pin::Pin;

use openssl::error::ErrorStack;
use openssl::ssl::{SslConnector, SslMethod, SslVersion};
use openssl::x509::{X509, X509VerifyResult};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::tls_problem;

/// Where distributions keep the trusted certificates; a bundled OpenSSL does not know these paths.
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Why there is no TLS connection.
pub(super) enum HandshakeError {
    /// What OpenSSL says.
    Tls(String),
    /// The connection below ended.
    Io(io::Error),
}

/// Trusts the system's certificates, and these. The name of the server is verified.
pub(super) fn connector(extra: Vec<X509>) -> Result<SslConnector, ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    if let Some(roots) = SYSTEM_ROOTS.iter().find(|file| Path::new(file).exists()) {
        builder.set_ca_file(roots)?;
    }
    for certificate in extra {
        builder.cert_store_mut().add_cert(certificate)?;
    }
    Ok(builder.build())
}

/// The handshake with the server `host`.
pub(super) async fn handshake(
    connector: &SslConnector,
    host: &str,
    tcp: TcpStream,
) -> Result<SslStream<TcpStream>, HandshakeError> {
    let mut stream = SslStream::new(connector.configure()?.into_ssl(host)?, tcp)?;
    match Pin::new(&mut stream).connect().await {
        Ok(()) => Ok(stream),
        Err(error) => Err(HandshakeError::of(error, stream.ssl().verify_result())),
    }
}

impl HandshakeError {
    fn of(error: openssl::ssl::Error, verification: X509VerifyResult) -> Self {
        // In the form in which the HTTP library passes it on.
        let text = format!("{error} ({verification})");
        match tls_problem::in_text(&text) {
            Some(problem) => Self::Tls(problem),
            None => Self::Io(error.into_io_error().unwrap_or_else(|_| io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

impl From<ErrorStack> for HandshakeError {
    fn from(error: ErrorStack) -> Self {
        Self::Tls(tls_problem::of(&error).unwrap_or_else(|| "the TLS library failed".to_owned()))
    }
}
