//! Accepts connections: acquires permits, performs the handshake within limits, and records why a peer is rejected.
//!
//! HTTP begins after this: every accepted connection has an identity.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use openssl::ssl::Ssl;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;
use tokio_openssl::SslStream;

use super::limiter::{ConnectionLimiter, HandshakePermit};
use crate::domain::certificate_id::CertificateId;
use crate::domain::clock::Clock;
use crate::domain::notification::ClientName;
use crate::flow::tasks::certificate_expiry::ExpiryMonitor;
use crate::ingest::mtls::client_cert::ClientCert;
use crate::ingest::mtls::reason::RejectReason;
use crate::ingest::mtls::rejection_log::{RejectionLog, RejectionStage};
use crate::ingest::mtls::tls::{HandshakeResult, HandshakeResultIndex};
use crate::ingest::mtls::trust::TrustStore;
use crate::ingest::rejections::NotificationRejections;
use crate::server::{ClientStream, HANDSHAKE_TIMEOUT, MalformedHead, handshake};

/// Who is at the other end of a connection.
#[derive(Clone)]
pub(crate) enum PeerIdentity {
    Client(Arc<ClientCert>),
    /// A proxy, which forwards the certificate of each request's client. Over TLS it has a certificate of its own.
    Proxy(Option<Arc<ClientCert>>),
}

/// The name in the list of rejections for what a proxy sent: whose request it was is not known without a head.
const PROXY: &str = "(trusted proxy)";

/// An accepted connection.
type AcceptedStream<S> = ClientStream<S, PeerIdentity>;

/// Why a peer is rejected, and the certificate that it presented.
type ConnectionError = (RejectReason, Option<CertificateId>);

/// Accepts the connections of one listener.
#[derive(Clone)]
pub(crate) struct Acceptor {
    pub(crate) trust: Arc<ArcSwap<TrustStore>>,
    pub(crate) result_index: HandshakeResultIndex,
    pub(crate) limiter: Arc<ConnectionLimiter>,
    pub(crate) rejections: Arc<RejectionLog>,
    pub(crate) notifications: Arc<NotificationRejections>,
    pub(crate) expiry: Arc<ExpiryMonitor>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether only the trusted proxy may connect.
    pub(crate) for_proxy: bool,
}

impl Acceptor {
    /// Performs the handshake; `None` when the peer is rejected.
    pub(crate) async fn accept(self, tcp: TcpStream) -> Option<AcceptedStream<SslStream<TcpStream>>> {
        let source = tcp.peer_addr().map(|address| address.ip()).ok();
        let permit = self.limiter.acquire_handshake(source.unwrap_or(IpAddr::from([0, 0, 0, 0])));
        self.try_accept(tcp, permit)
            .await
            .map_err(|(reason, presented)| {
                self.rejections.record(RejectionStage::Handshake, reason, presented, source);
            })
            .ok()
    }

    async fn try_accept(
        &self,
        tcp: TcpStream,
        mut permit: HandshakePermit,
    ) -> Result<AcceptedStream<SslStream<TcpStream>>, ConnectionError> {
        let number = permit.number();
        let (tls, certificate) = tokio::select! {
            biased;
            () = permit.evicted() => return Err((RejectReason::TooMany, None)),
            finished = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.handshake(tcp, number)) => {
                finished.unwrap_or(Err((RejectReason::TimedOut, None)))?
            }
        };
        let listed = self.trust.load().authorizer.client(&certificate).is_some();
        if self.for_proxy && !listed {
            return Err((RejectReason::NotListed, Some(certificate.id)));
        }
        let Some(permit) = self.limiter.acquire(listed) else {
            return Err((RejectReason::TooMany, Some(certificate.id)));
        };
        let certificate = Arc::new(certificate);
        let peer =
            if self.for_proxy { PeerIdentity::Proxy(Some(certificate)) } else { PeerIdentity::Client(certificate) };
        Ok(self.reporting(ClientStream::new(tls, peer.clone(), permit), peer))
    }

    /// Accepts a connection over a unix socket from a process of one of `uids`.
    pub(crate) fn accept_local(&self, stream: UnixStream, uids: &[u32]) -> Option<AcceptedStream<UnixStream>> {
        let is_listed = stream.peer_cred().is_ok_and(|peer| uids.contains(&peer.uid()));
        let permit = if is_listed {
            self.limiter.acquire(true).ok_or(RejectReason::TooMany)
        } else {
            Err(RejectReason::NotListed)
        };
        let reject = |reason| self.rejections.record(RejectionStage::Handshake, reason, None, None);
        let peer = PeerIdentity::Proxy(None);
        permit.map_err(reject).ok().map(|permit| self.reporting(ClientStream::new(stream, peer.clone(), permit), peer))
    }

    // A request with a malformed head is lost like any other that is rejected.
    fn reporting<S: Unpin>(&self, stream: AcceptedStream<S>, peer: PeerIdentity) -> AcceptedStream<S> {
        let acceptor = self.clone();
        stream.on_malformed_head(move |head| acceptor.record_malformed(&peer, head))
    }

    fn record_malformed(&self, peer: &PeerIdentity, head: MalformedHead) {
        let listed = |certificate: &ClientCert| {
            self.trust.load().authorizer.client(certificate).map(|client| client.name.clone())
        };
        let client = match peer {
            PeerIdentity::Proxy(_) => Ok(PROXY.to_owned()),
            PeerIdentity::Client(certificate) => listed(certificate).ok_or_else(|| certificate.id.clone()),
        };
        match client {
            Ok(client) => self.notifications.malformed(&ClientName(client), head.into(), Instant::now()),
            Err(id) => self.rejections.record(RejectionStage::Request, RejectReason::NotListed, Some(id), None),
        }
    }

    async fn handshake(
        &self,
        tcp: TcpStream,
        number: u64,
    ) -> Result<(SslStream<TcpStream>, ClientCert), ConnectionError> {
        let lost = |()| (RejectReason::ConnectionLost, None);
        tcp.readable().await.map_err(drop).map_err(lost)?;
        self.limiter.start_handshake(number);
        let mut ssl = Ssl::new(&self.trust.load().tls).map_err(drop).map_err(lost)?;
        let result = HandshakeResult::default();
        ssl.set_ex_data(self.result_index, Arc::clone(&result));
        let tls = match handshake(ssl, tcp).await {
            Ok(tls) => tls,
            Err(error) => {
                return Err(result.get().cloned().unwrap_or_else(|| (RejectReason::of_handshake(&error), None)));
            }
        };
        let certificate = ClientCert::of(tls.ssl()).map_err(|_| (RejectReason::BadCertificate, None))?;
        let certificate = certificate.ok_or((RejectReason::NoCertificate, None))?;
        // The trust store may have been reloaded meanwhile, and OpenSSL does not decide how old a CRL may be.
        let trust = self.trust.load();
        if let Some(client) = trust.authorizer.client(&certificate) {
            self.expiry.watch_client(&client.name, certificate.not_after);
        }
        match trust.authorizer.check_issuer(&certificate, self.clock.now()) {
            Ok(()) if tls.ssl().session_reused() => Err((RejectReason::Protocol, Some(certificate.id))),
            Ok(()) => Ok((tls, certificate)),
            Err(reason) => Err((reason, Some(certificate.id))),
        }
    }
}
