//! A connection on which the other side cannot go on talking: what it says before it is our turn again has a limit.
//!
//! It reads no replies. The mail library keeps a line until its end comes, and reads a reply anew with each line of it, so
//! a relay gone mad would otherwise cost memory, or a thread, for as long as the attempt lasts.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes between two of our own. A reply has lines of 512 (RFC 5321, 4.5.3.1.5) and a dozen of them; the certificates of
/// a handshake have some thousand bytes more.
const SAID_MAX: usize = 32 * 1024;

/// Ends of lines among them. Reading a reply anew with each of its lines costs the square of their number; under TLS, where
/// they are not to be seen, as many bytes of this value as chance has in [`SAID_MAX`] must still pass, which is half.
const LINES_MAX: usize = 256;

/// A connection with that limit.
#[derive(Debug)]
pub(super) struct ReadLimit<S> {
    stream: S,
    said: usize,
    lines: usize,
}

impl<S> ReadLimit<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, said: 0, lines: 0 }
    }

    fn hear(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.said += bytes.len();
        self.lines += bytes.split(|byte| *byte == b'\n').count() - 1;
        let is_too_much = self.said > SAID_MAX || self.lines > LINES_MAX;
        if is_too_much { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadLimit<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        Poll::Ready(self.hear(&buf.filled()[before..]))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadLimit<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        (self.said, self.lines) = (0, 0);
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncTokioStream> AsyncTokioStream for ReadLimit<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}
