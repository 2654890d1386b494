//! Receives whoever connects: finds them a place, shakes hands within limits, and notes why somebody is sent away.
//!
//! Nothing of HTTP happens here; whoever comes out has shown a good certificate.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use openssl::ssl::Ssl;
use tokio::net::{TcpStream, UnixStream};
use tokio_openssl::SslStream;

use crate::domain::clock::Clock;
use crate::flow::audit::CertificateId;
use crate::ingest::mtls::client_cert::ClientCert;
use crate::ingest::mtls::reason::RejectReason;
use crate::ingest::mtls::rejection_log::{RejectionLog, RejectionStage};
use crate::ingest::mtls::tls::{HandshakeResult, HandshakeResultIndex};
use crate::ingest::mtls::trust::{ExpiryMonitor, TrustStore};

pub(crate) use super::limiter::ConnectionLimiter;
use super::limiter::HandshakePermit;
pub(crate) use super::stream::{ClientStream, HEAD_TIMEOUT, PeerIdentity, RequestState};

/// Time for a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);

/// Where connections arrive.
#[derive(Clone)]
pub(crate) struct Acceptor {
    pub(crate) terms: Arc<ArcSwap<TrustStore>>,
    pub(crate) note: HandshakeResultIndex,
    pub(crate) places: Arc<ConnectionLimiter>,
    pub(crate) refusals: Arc<RejectionLog>,
    pub(crate) calendar: Arc<ExpiryMonitor>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whoever comes is our proxy, or goes.
    pub(crate) for_proxy: bool,
}

/// Whoever is sent away, and why.
type ConnectionError = (RejectReason, Option<CertificateId>);

impl Acceptor {
    /// Shakes hands. Whoever is refused is noted and gone.
    pub(crate) async fn receive(self, tcp: TcpStream) -> Result<ClientStream<SslStream<TcpStream>>, ()> {
        let source = tcp.peer_addr().map(|address| address.ip()).ok();
        // Answers are small and whole; waiting to send more with them only delays them.
        let _ = tcp.set_nodelay(true);
        let stand = self.places.stand(source.unwrap_or(IpAddr::from([0, 0, 0, 0])));
        self.admit(tcp, stand)
            .await
            .map_err(|(reason, shown)| self.refusals.note(RejectionStage::Handshake, reason, shown, source))
    }

    async fn admit(
        &self,
        tcp: TcpStream,
        mut stand: HandshakePermit,
    ) -> Result<ClientStream<SslStream<TcpStream>>, ConnectionError> {
        let number = stand.number();
        let (tls, peer) = tokio::select! {
            biased;
            () = stand.sent_away() => return Err((RejectReason::TooMany, None)),
            shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.shake(tcp, number)) => {
                shaken.unwrap_or(Err((RejectReason::TimedOut, None)))?
            }
        };
        let listed = self.terms.load().gate.known(&peer).is_some();
        if self.for_proxy && !listed {
            return Err((RejectReason::NotListed, Some(peer.shown)));
        }
        let seat = self.places.seat(listed).ok_or_else(|| (RejectReason::TooMany, Some(peer.shown.clone())))?;
        let peer = Arc::new(peer);
        let caller = if self.for_proxy { PeerIdentity::Proxy(Some(peer)) } else { PeerIdentity::Client(peer) };
        Ok(ClientStream::new(tls, caller, seat))
    }

    /// Lets in who runs as one of `uids`.
    pub(crate) fn receive_local(&self, stream: UnixStream, uids: &[u32]) -> Result<ClientStream<UnixStream>, ()> {
        let known = stream.peer_cred().is_ok_and(|peer| uids.contains(&peer.uid()));
        let seat =
            if known { self.places.seat(true).ok_or(RejectReason::TooMany) } else { Err(RejectReason::NotListed) };
        let seat = seat.map_err(|reason| self.refusals.note(RejectionStage::Handshake, reason, None, None))?;
        Ok(ClientStream::new(stream, PeerIdentity::Proxy(None), seat))
    }

    async fn shake(&self, tcp: TcpStream, number: u64) -> Result<(SslStream<TcpStream>, ClientCert), ConnectionError> {
        tcp.readable().await.map_err(|_| (RejectReason::SessionError, None))?;
        self.places.spoke(number);
        let broken = |_| (RejectReason::SessionError, None);
        let mut ssl = Ssl::new(&self.terms.load().tls).map_err(broken)?;
        let note = HandshakeResult::default();
        ssl.set_ex_data(self.note, Arc::clone(&note));
        let mut tls = SslStream::new(ssl, tcp).map_err(broken)?;
        if let Err(error) = Pin::new(&mut tls).accept().await {
            return Err(note.get().cloned().unwrap_or_else(|| (RejectReason::of_handshake(&error), None)));
        }
        // Without tickets nothing follows a client's last message of the handshake, and one that does not send small
        // pieces at once (RFC 896) keeps its request back until that is acknowledged: 40 ms later, if nobody asks.
        let _ = tls.get_ref().set_quickack(true);
        let peer = ClientCert::of(tls.ssl()).map_err(|_| (RejectReason::BadCertificate, None))?;
        let peer = peer.ok_or((RejectReason::NoCertificate, None))?;
        // The files may have changed meanwhile, and how old a list may be is not OpenSSL's to say.
        let terms = self.terms.load();
        if let Some(client) = terms.gate.known(&peer) {
            self.calendar.saw(&client.name, peer.not_after);
        }
        match terms.gate.vouch(&peer, self.clock.now()) {
            Ok(()) if tls.ssl().session_reused() => Err((RejectReason::Protocol, Some(peer.shown))),
            Ok(()) => Ok((tls, peer)),
            Err(reason) => Err((reason, Some(peer.shown))),
        }
    }
}
