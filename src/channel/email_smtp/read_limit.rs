//! A limit on what the relay sends between two of our commands.
//!
//! It does not parse replies. The mail library buffers a line until it ends, and parses a reply again with each of its
//! lines, so a faulty relay could otherwise use up memory, or a thread, until the attempt ends.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most bytes between two writes. A reply has a dozen lines of 512 bytes (RFC 5321, 4.5.3.1.5); the certificates in a
/// handshake have a few thousand more.
const BYTES_MAX: usize = 32 * 1024;

/// The most line ends among them. The cost of parsing a reply again with each line is quadratic. Over TLS the bytes are
/// random: [`BYTES_MAX`] of them contain half as many line ends by chance, which must pass.
const LINES_MAX: usize = 256;

/// A connection with this limit.
#[derive(Debug)]
pub(super) struct ReadLimit<S> {
    stream: S,
    bytes: usize,
    lines: usize,
}

impl<S> ReadLimit<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, bytes: 0, lines: 0 }
    }

    fn count(&mut self, read: &[u8]) -> io::Result<()> {
        self.bytes += read.len();
        self.lines += read.split(|byte| *byte == b'\n').count() - 1;
        let is_too_much = self.bytes > BYTES_MAX || self.lines > LINES_MAX;
        if is_too_much { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadLimit<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        Poll::Ready(self.count(&buf.filled()[before..]))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadLimit<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        (self.bytes, self.lines) = (0, 0);
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
