//! A connection that has been accepted: its bytes, its peer, its permit, the time limit on request heads, and requests to
//! change the protocol, which are ignored.
//!
//! actix limits the time of the first request head only. Here the head of every request has the same limit, counted
//! from its first byte, so that a client cannot hold a connection by sending a later head byte by byte.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::dev::Extensions;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::control::OpenConnection;
use super::malformed::MalformedHead;
use super::upgrade_filter::UpgradeFilter;

/// Time for the request line and headers, from the first byte.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// What learns of a malformed head.
type MalformedHeadReport = Box<dyn FnOnce(MalformedHead)>;

/// An accepted connection. Its handlers find `peer` in the connection data.
pub struct ClientStream<S, P = ()> {
    stream: S,
    peer: P,
    requests: Rc<RequestState>,
    head: Option<(u64, Pin<Box<Sleep>>)>,
    upgrades: UpgradeFilter,
    /// The requests that had begun when the filter last began a head.
    filtered: u64,
    on_malformed_head: Option<MalformedHeadReport>,
    /// Held until the connection ends.
    permits: Vec<Box<dyn Any>>,
}

/// How many requests have begun on a connection, and whether one is being answered.
#[derive(Debug, Default)]
pub(super) struct RequestState {
    begun: Cell<u64>,
    in_progress: Cell<bool>,
}

/// A request that is being answered, until it is dropped.
pub(super) struct RequestInProgress(Rc<RequestState>);

impl RequestState {
    /// Records that the head of a request is complete.
    pub(super) fn begin(self: &Rc<Self>) -> RequestInProgress {
        self.begun.set(self.begun.get() + 1);
        self.in_progress.set(true);
        RequestInProgress(Rc::clone(self))
    }
}

impl Drop for RequestInProgress {
    fn drop(&mut self) {
        self.0.in_progress.set(false);
    }
}

impl<S: Unpin, P: Clone + Unpin + 'static> ClientStream<S, P> {
    /// A connection with `peer`. `permit` is held until the connection ends.
    pub fn new(stream: S, peer: P, permit: impl Any) -> Self {
        Self {
            stream,
            peer,
            requests: Rc::default(),
            head: None,
            upgrades: UpgradeFilter::default(),
            filtered: 0,
            on_malformed_head: None,
            permits: vec![Box::new(permit)],
        }
    }

    /// Has `report` called when the parser rejects a head of this connection, which ends it.
    #[must_use]
    pub fn on_malformed_head(mut self, report: impl FnOnce(MalformedHead) + 'static) -> Self {
        self.on_malformed_head = Some(Box::new(report));
        self
    }

    pub(super) fn counted(mut self, counted: OpenConnection) -> Self {
        self.permits.push(Box::new(counted));
        self
    }

    pub(super) fn malformed_head_report(&mut self) -> Option<MalformedHeadReport> {
        self.on_malformed_head.take()
    }

    pub(super) fn fill_connection_data(&self, data: &mut Extensions) {
        data.insert(self.peer.clone());
        data.insert(Rc::clone(&self.requests));
    }

    // What arrives after an answer is the next head. A head that a client sends before it is read with the body before it and
    // not filtered: clients and proxies do not send a POST before the last one is answered (RFC 9112, 9.3.2).
    fn hide_upgrades(&mut self, received: &mut [u8]) {
        let begun = self.requests.begun.get();
        if begun != self.filtered && !self.requests.in_progress.get() {
            self.filtered = begun;
            self.upgrades.begin_head();
        }
        self.upgrades.apply(received);
    }

    fn head_timed_out(&mut self, context: &mut Context<'_>, received: bool) -> bool {
        let begun = self.requests.begun.get();
        let in_progress = self.requests.in_progress.get();
        if in_progress || self.head.as_ref().is_some_and(|(before, _)| *before != begun) {
            self.head = None;
        }
        if received && self.head.is_none() && !in_progress {
            self.head = Some((begun, Box::pin(sleep(HEAD_TIMEOUT))));
        }
        self.head.as_mut().is_some_and(|(_, timer)| timer.as_mut().poll(context).is_ready())
    }
}

impl<S: AsyncRead + Unpin, P: Clone + Unpin + 'static> AsyncRead for ClientStream<S, P> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buf);
        this.hide_upgrades(&mut buf.filled_mut()[before..]);
        if this.head_timed_out(context, buf.filled().len() > before) && read.is_pending() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin, P: Unpin> AsyncWrite for ClientStream<S, P> {
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
