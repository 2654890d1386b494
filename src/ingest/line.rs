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
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_openssl::SslStream;

use super::peer::Peer;
use super::places::Seat;

/// Time for the request line and headers, from the first byte.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// An encrypted connection with somebody whose certificate is good.
pub(super) struct Line {
    tls: SslStream<TcpStream>,
    peer: Arc<Peer>,
    pace: Rc<Pace>,
    head: Option<(u64, Pin<Box<Sleep>>)>,
    _seat: Seat,
}

/// How many requests have begun on a connection, and whether one is being answered.
#[derive(Debug, Default)]
pub(super) struct Pace {
    begun: Cell<u64>,
    at_work: Cell<bool>,
}

/// The time in which a request is being answered.
pub(super) struct Work(Rc<Pace>);

impl Pace {
    /// A head is complete.
    pub(super) fn work(self: &Rc<Self>) -> Work {
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

impl Line {
    /// A connection whose handshake is done.
    pub(super) fn new(tls: SslStream<TcpStream>, peer: Peer, seat: Seat) -> Self {
        Self { tls, peer: Arc::new(peer), pace: Rc::default(), head: None, _seat: seat }
    }

    /// Tells the requests on it whose they are.
    pub(super) fn introduce(&self, data: &mut Extensions) {
        data.insert(Arc::clone(&self.peer));
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

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut line.tls).poll_read(context, buf);
        if line.watch_head(context, buf.filled().len() > before) && read.is_pending() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(context, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(context)
    }
}
