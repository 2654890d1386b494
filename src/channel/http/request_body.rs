//! The body of a request, which knows whether it was passed to the connection: before that, nothing was sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Tells whether the message may have left this process.
#[derive(Clone, Default)]
pub(super) struct SentFlag(Arc<AtomicBool>);

impl SentFlag {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A body that is sent once.
pub(super) struct RequestBody {
    rest: Option<Bytes>,
    sent: SentFlag,
}

impl RequestBody {
    /// Sets `sent` when the connection takes the body. Nothing shows when it takes a request without one: that counts as sent
    /// from the start, except for what fails while connecting.
    pub(super) fn new(bytes: Vec<u8>, sent: &SentFlag) -> Self {
        if bytes.is_empty() {
            sent.0.store(true, Ordering::Release);
        }
        Self { rest: (!bytes.is_empty()).then(|| bytes.into()), sent: sent.clone() }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.sent.0.store(true, Ordering::Release);
        Poll::Ready(self.rest.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
