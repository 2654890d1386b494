//! Receives whoever connects: finds them a place, shakes hands within limits, and notes why somebody is sent away.
//!
//! Nothing of HTTP happens here; whoever comes out has shown a good certificate.

mod line;
mod places;

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use openssl::ssl::Ssl;
use tokio::net::{TcpStream, UnixStream};
use tokio_openssl::SslStream;

use super::peer::Peer;
use super::reason::Reason;
use super::refusals::{At, Refusals};
use super::terms::{Calendar, Terms};
use super::tls::{Note, NoteIndex};
use crate::domain::clock::Clock;
use crate::flow::journal::Shown;

pub(super) use line::{Caller, HEAD_TIMEOUT, Line, Pace};
pub(super) use places::Places;
use places::Stand;

/// Time for a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);

/// Where connections arrive.
#[derive(Clone)]
pub(super) struct Reception {
    pub(super) terms: Arc<ArcSwap<Terms>>,
    pub(super) note: NoteIndex,
    pub(super) places: Arc<Places>,
    pub(super) refusals: Arc<Refusals>,
    pub(super) calendar: Arc<Calendar>,
    pub(super) clock: Arc<dyn Clock>,
    /// Whoever comes is our proxy, or goes.
    pub(super) for_proxy: bool,
}

/// Whoever is sent away, and why.
type Refusal = (Reason, Option<Shown>);

impl Reception {
    /// Shakes hands. Whoever is refused is noted and gone.
    pub(super) async fn receive(self, tcp: TcpStream) -> Result<Line<SslStream<TcpStream>>, ()> {
        let source = tcp.peer_addr().map(|address| address.ip()).ok();
        // Answers are small and whole; waiting to send more with them only delays them.
        let _ = tcp.set_nodelay(true);
        let stand = self.places.stand(source.unwrap_or(IpAddr::from([0, 0, 0, 0])));
        self.admit(tcp, stand).await.map_err(|(reason, shown)| self.refusals.note(At::Handshake, reason, shown, source))
    }

    async fn admit(&self, tcp: TcpStream, mut stand: Stand) -> Result<Line<SslStream<TcpStream>>, Refusal> {
        let number = stand.number();
        let (tls, peer) = tokio::select! {
            biased;
            () = stand.sent_away() => return Err((Reason::TooMany, None)),
            shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.shake(tcp, number)) => {
                shaken.unwrap_or(Err((Reason::TimedOut, None)))?
            }
        };
        let listed = self.terms.load().gate.known(&peer).is_some();
        if self.for_proxy && !listed {
            return Err((Reason::NotListed, Some(peer.shown)));
        }
        let seat = self.places.seat(listed).ok_or_else(|| (Reason::TooMany, Some(peer.shown.clone())))?;
        let peer = Arc::new(peer);
        let caller = if self.for_proxy { Caller::Proxy(Some(peer)) } else { Caller::Client(peer) };
        Ok(Line::new(tls, caller, seat))
    }

    /// Lets in who runs as one of `uids`.
    pub(super) fn receive_local(&self, stream: UnixStream, uids: &[u32]) -> Result<Line<UnixStream>, ()> {
        let known = stream.peer_cred().is_ok_and(|peer| uids.contains(&peer.uid()));
        let seat = if known { self.places.seat(true).ok_or(Reason::TooMany) } else { Err(Reason::NotListed) };
        let seat = seat.map_err(|reason| self.refusals.note(At::Handshake, reason, None, None))?;
        Ok(Line::new(stream, Caller::Proxy(None), seat))
    }

    async fn shake(&self, tcp: TcpStream, number: u64) -> Result<(SslStream<TcpStream>, Peer), Refusal> {
        tcp.readable().await.map_err(|_| (Reason::Broken, None))?;
        self.places.spoke(number);
        let broken = |_| (Reason::Broken, None);
        let mut ssl = Ssl::new(&self.terms.load().tls).map_err(broken)?;
        let note = Note::default();
        ssl.set_ex_data(self.note, Arc::clone(&note));
        let mut tls = SslStream::new(ssl, tcp).map_err(broken)?;
        if let Err(error) = Pin::new(&mut tls).accept().await {
            return Err(note.get().cloned().unwrap_or_else(|| (Reason::of_handshake(&error), None)));
        }
        // Without tickets nothing follows a client's last message of the handshake, and one that does not send small
        // pieces at once (RFC 896) keeps its request back until that is acknowledged: 40 ms later, if nobody asks.
        let _ = tls.get_ref().set_quickack(true);
        let peer = Peer::of(tls.ssl()).map_err(|_| (Reason::BadCertificate, None))?;
        let peer = peer.ok_or((Reason::NoCertificate, None))?;
        // The files may have changed meanwhile, and how old a list may be is not OpenSSL's to say.
        let terms = self.terms.load();
        if let Some(client) = terms.gate.known(&peer) {
            self.calendar.saw(&client.name, peer.not_after);
        }
        match terms.gate.vouch(&peer, self.clock.now()) {
            Ok(()) if tls.ssl().session_reused() => Err((Reason::Protocol, Some(peer.shown))),
            Ok(()) => Ok((tls, peer)),
            Err(reason) => Err((reason, Some(peer.shown))),
        }
    }
}
