//! The log of the messages that a simulated provider received, and its injected faults, for every protocol.
//!
//! It is shared by the provider's connections and by observers. Memory is bounded: only the latest messages are kept,
//! older ones are only counted. In counting mode only tokens are kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::broadcast;

use super::faults::{Faults, Reaction};
use super::tally::{Tally, TallyReport};
use crate::domain::contact::Channel;
use crate::sim::stopwatch::monotonic_us;

/// Messages that are kept.
const KEPT_MAX: usize = 10_000;

/// Messages that a slow subscriber may lag behind before it misses some.
const LAG_MAX: usize = 4_096;

/// Push tokens with this prefix belong to uninstalled apps and are rejected.
pub const GONE: &str = "gone-";

/// A received message, as plain text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoggedMessage {
    pub channel: Channel,
    /// A phone number, a push token, or mailboxes separated by commas.
    pub to: String,
    /// The title of a push message or the subject of an e-mail.
    pub title: Option<String>,
    /// Of an e-mail, the plain-text part.
    pub text: String,
    /// The sender's reference.
    pub reference: Option<String>,
    /// In microseconds of the monotonic clock.
    pub at_us: u64,
}

/// How much is kept of every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// The latest ten thousand messages.
    Arrivals,
    /// Only the tokens, for measurements.
    Tokens,
}

/// The result of logging a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogResult {
    /// With its number.
    Accepted(u64),
    /// The request contains no message.
    Unreadable,
    /// The app of the push token was uninstalled. Not detected in counting mode, which does not read messages.
    Gone,
}

/// The messages and the faults of one provider.
#[derive(Debug)]
pub struct MessageLog {
    channel: Channel,
    keeping: Keeping,
    state: Mutex<LogState>,
    subscribers: broadcast::Sender<Arc<LoggedMessage>>,
}

#[derive(Debug, Default)]
struct LogState {
    faults: Faults,
    number: u32,
    accepted: u64,
    tally: Tally,
    kept: VecDeque<Arc<LoggedMessage>>,
}

impl MessageLog {
    /// An empty log without faults.
    pub fn new(channel: Channel, keeping: Keeping) -> Self {
        Self { channel, keeping, state: Mutex::default(), subscribers: broadcast::Sender::new(LAG_MAX) }
    }

    pub fn channel(&self) -> Channel {
        self.channel
    }

    pub fn faults(&self) -> Faults {
        self.state().faults
    }

    /// Injects these faults from the next message on.
    pub fn behave(&self, faults: Faults) {
        let mut state = self.state();
        state.faults = faults;
        state.number = 0;
    }

    /// The latest messages, oldest first. Empty in counting mode.
    pub fn arrivals(&self) -> Vec<Arc<LoggedMessage>> {
        self.state().kept.iter().cloned().collect()
    }

    /// Messages from now on. None in counting mode.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<LoggedMessage>> {
        self.subscribers.subscribe()
    }

    /// The counts since the start or the last reset.
    pub fn report(&self) -> TallyReport {
        self.state().tally.report(self.channel)
    }

    /// Removes all messages and counts. The faults stay.
    pub fn reset(&self) {
        let mut state = self.state();
        state.tally = Tally::default();
        state.kept.clear();
    }

    /// Decides the reaction to the next message, and counts it unless it is accepted.
    pub(super) fn next_reaction(&self) -> Reaction {
        let mut state = self.state();
        let reaction = state.faults.reaction(state.number);
        state.number = state.number.wrapping_add(1);
        match reaction {
            Reaction::Accept => {}
            Reaction::Reject { .. } => state.tally.rejected += 1,
            Reaction::Ignore => state.tally.unanswered += 1,
        }
        reaction
    }

    /// Logs a message, unless it cannot be read or cannot be delivered.
    pub(super) fn receive(&self, raw: &[u8], read: impl FnOnce() -> Option<LoggedMessage>) -> LogResult {
        let at_us = monotonic_us();
        let message = match self.keeping {
            Keeping::Tokens => None,
            Keeping::Arrivals => Some(read().map(|message| Arc::new(LoggedMessage { at_us, ..message }))),
        };
        let mut state = self.state();
        match &message {
            Some(None) => {
                state.tally.unreadable += 1;
                return LogResult::Unreadable;
            }
            Some(Some(message)) if message.channel == Channel::Push && message.to.starts_with(GONE) => {
                state.tally.rejected += 1;
                return LogResult::Gone;
            }
            Some(Some(_)) | None => {}
        }
        state.tally.record(raw, at_us);
        state.accepted += 1;
        if let Some(message) = message.flatten() {
            if state.kept.len() == KEPT_MAX {
                state.kept.pop_front();
            }
            state.kept.push_back(Arc::clone(&message));
            // Fails only if there are no subscribers.
            drop(self.subscribers.send(message));
        }
        LogResult::Accepted(state.accepted)
    }

    fn state(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
