//! A provider that keeps what it is given in memory, for tests of whatever stands before the providers.
//!
//! Not to be configured: a gateway that is live must not be able to swallow messages.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::Provider;
use crate::domain::delivery::DeliveryId;
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::outcome::{Outcome, Reference};

/// The most messages kept; beyond it the oldest are forgotten.
const KEPT_MAX: usize = 10_000;

/// One message as it was handed over. It may hold a code, so `Debug` says nothing.
#[derive(Clone)]
pub struct Taken {
    /// The delivery it belongs to.
    pub delivery: DeliveryId,
    /// The address in full.
    pub to: String,
    /// The text of an SMS, the body of a push message, the plain part of a mail.
    pub text: String,
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Taken(..)")
    }
}

/// Takes everything, unless told to answer otherwise.
#[derive(Debug, Default)]
pub struct Sandbox {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    taken: VecDeque<Taken>,
    next: VecDeque<Outcome>,
}

impl Sandbox {
    /// An empty one that accepts everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives `outcome` as the next answer that is not spoken for yet; after the last of them, everything is accepted again.
    pub fn answer_next(&self, outcome: Outcome) {
        self.inner().next.push_back(outcome);
    }

    /// Everything handed over so far, whatever was answered, oldest first.
    pub fn taken(&self) -> Vec<Taken> {
        self.inner().taken.iter().cloned().collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Provider for Sandbox {
    async fn send(&self, outbound: &OutboundMessage) -> Outcome {
        let (RenderedMessage::Sms { text }
        | RenderedMessage::Push { body: text, .. }
        | RenderedMessage::Email { text, .. }) = &outbound.message;
        let (to, text) = (outbound.to.expose().to_owned(), text.reveal().to_owned());
        let mut inner = self.inner();
        if inner.taken.len() == KEPT_MAX {
            inner.taken.pop_front();
        }
        inner.taken.push_back(Taken { delivery: outbound.delivery, to, text });
        let accepted = || Outcome::accepted(Reference::new(&format!("sandbox-{}", outbound.delivery)));
        inner.next.pop_front().unwrap_or_else(accepted)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_servers;
    use super::*;
    use crate::domain::outcome::Cause;

    #[tokio::test]
    async fn it_answers_as_told_and_then_accepts() {
        let sandbox = Sandbox::new();
        sandbox.answer_next(Outcome::refused(Cause::InvalidContact));

        let first = sandbox.send(&test_servers::sms("1")).await;
        let second = sandbox.send(&test_servers::sms("2")).await;

        assert_eq!((first, second.name()), (Outcome::refused(Cause::InvalidContact), "accepted"));
        let texts: Vec<String> = sandbox.taken().into_iter().map(|taken| taken.text).collect();
        assert_eq!(texts, ["1", "2"]);
        assert!(!format!("{sandbox:?}").contains("+48"));
    }
}
