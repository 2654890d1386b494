//! TLS of the listeners: the settings that all of them share, the handshake, and the reload of a certificate.

use std::pin::Pin;
use std::time::Duration;

use arc_swap::ArcSwap;
use openssl::error::ErrorStack;
use openssl::ssl::{self, Ssl, SslAcceptor, SslAcceptorBuilder, SslContext, SslMethod, SslOptions};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::{Error, ServerIdentity};

/// Level 2 refuses keys below 112 bits of security: RSA below 2048 bits, curves below 224 bits.
pub const SECURITY_LEVEL: u32 = 2;

/// Time for a TLS handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);

/// Builds an acceptor that presents `identity`: TLS 1.2 with AEAD suites or TLS 1.3, no renegotiation, no early data.
pub fn acceptor(identity: &ServerIdentity) -> Result<SslAcceptorBuilder, Error> {
    let mut tls = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    tls.set_security_level(SECURITY_LEVEL);
    tls.set_options(SslOptions::NO_RENEGOTIATION);
    tls.set_max_early_data(0)?;
    let weak = |_| identity.error("a key or signature in it is too weak");
    tls.set_certificate(&identity.certificate).map_err(weak)?;
    for above in &identity.chain {
        tls.add_extra_chain_cert(above.clone()).map_err(weak)?;
    }
    tls.set_private_key(&identity.key)?;
    Ok(tls)
}

/// Performs the handshake of a server.
pub async fn handshake(ssl: Ssl, tcp: TcpStream) -> Result<SslStream<TcpStream>, ssl::Error> {
    let mut stream = SslStream::new(ssl, tcp)?;
    Pin::new(&mut stream).accept().await?;
    // Without session tickets the server sends nothing after the client's last handshake message. A client that holds
    // back small segments (RFC 896) then delays its request until that message is acknowledged: 40 ms by default.
    let _ = stream.get_ref().set_quickack(true);
    Ok(stream)
}

/// TLS without client certificates. The certificate can be replaced; handshakes that began before keep the old one.
pub struct ReloadableTls(ArcSwap<SslContext>);

impl ReloadableTls {
    /// TLS that presents the certificate of `context`.
    pub fn new(context: SslContext) -> Self {
        Self(ArcSwap::from_pointee(context))
    }

    /// Presents the certificate of `context` from the next handshake on.
    pub fn replace(&self, context: SslContext) {
        self.0.store(context.into());
    }

    /// Performs a handshake within [`HANDSHAKE_TIMEOUT`]; `None` if it fails.
    pub async fn accept(&self, tcp: TcpStream) -> Option<SslStream<TcpStream>> {
        let ssl = self.start().ok()?;
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake(ssl, tcp)).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "TLS handshake failed");
                None
            }
            Err(_) => None,
        }
    }

    fn start(&self) -> Result<Ssl, ErrorStack> {
        Ssl::new(&self.0.load())
    }
}
