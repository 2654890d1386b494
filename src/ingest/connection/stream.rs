//! A connection after its handshake: bytes in and out, its place, who is at the other end, and how fast it is.
//!
//! HTTP's own timer watches the first head only, so a later one could come a byte at a time for ever. Here the head of
//! every request has the same time, from its first byte. What the bytes say is not looked at.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::dev::Extensions;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::limiter::ConnectionPermit;
use crate::ingest::mtls::client_cert::ClientCert;

/// Time for the request line and headers, from the first byte.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection with somebody who is known: by a certificate, or as our own proxy.
pub(crate) struct ClientStream<S> {
    stream: S,
    caller: PeerIdentity,
    pace: Rc<RequestState>,
    head: Option<(u64, Pin<Box<Sleep>>)>,
    _seat: ConnectionPermit,
}

/// Who is at the other end of a connection.
#[derive(Clone)]
pub(crate) enum PeerIdentity {
    /// A client itself.
    Client(Arc<ClientCert>),
    /// A proxy that says for each request whose it is. One that came over TLS has shown a certificate of its own.
    Proxy(Option<Arc<ClientCert>>),
}

/// How many requests have begun on a connection, and whether one is being answered.
#[derive(Debug, Default)]
pub(crate) struct RequestState {
    begun: Cell<u64>,
    at_work: Cell<bool>,
}

/// The time in which a request is being answered.
pub(crate) struct Work(Rc<RequestState>);

impl RequestState {
    /// A head is complete.
    pub(crate) fn work(self: &Rc<Self>) -> Work {
        self.begun.set(self.begun.get() + 1);
        self.at_work.set(true);
        Work(Rc::clone(self))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.at_work.set(false);
    }
}

impl<S: Unpin> ClientStream<S> {
    /// A connection whose handshake is done.
    pub(crate) fn new(stream: S, caller: PeerIdentity, seat: ConnectionPermit) -> Self {
        Self { stream, caller, pace: Rc::default(), head: None, _seat: seat }
    }

    /// Tells the requests on it whose they are.
    pub(crate) fn introduce(&self, data: &mut Extensions) {
        data.insert(self.caller.clone());
        data.insert(Rc::clone(&self.pace));
    }

    fn watch_head(&mut self, context: &mut Context<'_>, arrived: bool) -> bool {
        let begun = self.pace.begun.get();
        if self.pace.at_work.get() || self.head.as_ref().is_some_and(|(before, _)| *before != begun) {
            self.head = None;
        }
        if arrived && self.head.is_none() && !self.pace.at_work.get() {
            self.head = Some((begun, Box::pin(sleep(HEAD_TIMEOUT))));
        }
        self.head.as_mut().is_some_and(|(_, sleep)| sleep.as_mut().poll(context).is_ready())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut line.stream).poll_read(context, buf);
        if line.watch_head(context, buf.filled().len() > before) && read.is_pending() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
