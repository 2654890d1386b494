//! TLS of the listeners: the settings that all of them share, the handshake, and the reload of a certificate.

use std::pin::Pin;
use std::time::Duration;

use arc_swap::ArcSwap;
use openssl::error::ErrorStack;
use openssl::ssl::{
    self, Ssl, SslAcceptor, SslAcceptorBuilder, SslContext, SslMethod, SslOptions, SslRef, SslSessionCacheMode,
    SslVerifyMode,
};
use openssl::x509::{X509, X509PurposeId};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::{Error, ServerIdentity};
use crate::pki;

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

/// At most one intermediate between a client's certificate and the CA.
const CHAIN_DEPTH: u32 = 2;

/// Asks clients for a certificate of one of these CAs. A client needs none; one that presents another certificate is refused.
pub(super) fn ask_for_certificate(tls: &mut SslAcceptorBuilder, authorities: &[X509]) -> Result<(), ErrorStack> {
    // A resumed session would carry an old decision about a certificate into a new connection.
    tls.set_session_cache_mode(SslSessionCacheMode::OFF);
    tls.set_options(SslOptions::NO_TICKET);
    tls.set_num_tickets(0)?;
    for authority in authorities {
        tls.add_client_ca(authority)?;
        tls.cert_store_mut().add_cert(authority.clone())?;
    }
    tls.set_verify_depth(CHAIN_DEPTH);
    tls.verify_param_mut().set_purpose(X509PurposeId::SSL_CLIENT)?;
    tls.set_verify(SslVerifyMode::PEER);
    Ok(())
}

/// The SPKI pin of the certificate that a client presented; nothing where none is asked for or presented.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientPin(pub Option<String>);

/// The pin of a finished handshake.
pub(super) fn pin_of(ssl: &SslRef) -> ClientPin {
    ClientPin(ssl.peer_certificate().and_then(|certificate| pki::spki_pin(&certificate).ok()))
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

/// TLS whose certificate can be replaced. The certificate can be replaced; handshakes that began before keep the old one.
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
