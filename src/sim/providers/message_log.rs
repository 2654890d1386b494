//! What a practice provider remembers and how it behaves, whichever protocol it speaks.
//!
//! Shared between its connections and whoever watches. Memory is bounded: the last arrivals are kept, older ones only
//! counted; in counting mode nothing is kept but tokens.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::broadcast;

use super::faults::{Faults, Reaction};
use super::tally::{Tally, TallyReport};
use crate::domain::contact::Channel;
use crate::sim::stopwatch::monotonic_us;

/// Arrivals kept; the oldest makes room.
const KEPT_MAX: usize = 10_000;

/// Arrivals a slow subscriber may lag behind before it misses some.
const NEWS_MAX: usize = 4_096;

/// Push tokens that begin like this belong to apps that were removed: nothing can be sent to them.
pub const GONE: &str = "gone-";

/// One message that was taken, as plain text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoggedMessage {
    /// How it came.
    pub channel: Channel,
    /// To whom: a number, a push token, or mailboxes with commas between.
    pub to: String,
    /// The title of a push message or the subject of a mail.
    pub title: Option<String>,
    /// The text; of a mail, the plain part.
    pub text: String,
    /// The sender's own name for it.
    pub reference: Option<String>,
    /// When, in microseconds of the machine's monotonic clock.
    pub at_us: u64,
}

/// How much is kept of every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// All of the last ten thousand.
    Arrivals,
    /// Only the tokens, for measuring.
    Tokens,
}

/// What a message was met with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PracticeReceipt {
    /// Taken under this number.
    Taken(u64),
    /// It holds no message.
    Unreadable,
    /// Its push token is of no use any more. Not noticed in counting mode, which reads no messages.
    Gone,
}

/// A provider's memory and manners.
#[derive(Debug)]
pub struct MessageLog {
    channel: Channel,
    keeping: Keeping,
    desk: Mutex<ReceiptQueue>,
    news: broadcast::Sender<Arc<LoggedMessage>>,
}

#[derive(Debug, Default)]
struct ReceiptQueue {
    behaviour: Faults,
    turn: u32,
    taken: u64,
    book: Tally,
    kept: VecDeque<Arc<LoggedMessage>>,
}

impl MessageLog {
    /// A station that nobody has written to, taking everything at once.
    pub fn new(channel: Channel, keeping: Keeping) -> Self {
        Self { channel, keeping, desk: Mutex::default(), news: broadcast::Sender::new(NEWS_MAX) }
    }

    /// The channel it serves.
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// How it behaves.
    pub fn behaviour(&self) -> Faults {
        self.desk().behaviour
    }

    /// Behaves like this from the next message on.
    pub fn behave(&self, behaviour: Faults) {
        let mut desk = self.desk();
        desk.behaviour = behaviour;
        desk.turn = 0;
    }

    /// The last arrivals, the oldest first; empty in counting mode.
    pub fn arrivals(&self) -> Vec<Arc<LoggedMessage>> {
        self.desk().kept.iter().cloned().collect()
    }

    /// Arrivals from now on; silent in counting mode.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<LoggedMessage>> {
        self.news.subscribe()
    }

    /// What arrived since the beginning or the last reset.
    pub fn report(&self) -> TallyReport {
        self.desk().book.report(self.channel)
    }

    /// Forgets what arrived. The behaviour stays.
    pub fn reset(&self) {
        let mut desk = self.desk();
        desk.book = Tally::default();
        desk.kept.clear();
    }

    /// Decides what becomes of the next message, and counts it unless it is to be taken.
    pub(super) fn fate(&self) -> Reaction {
        let mut desk = self.desk();
        let fate = desk.behaviour.fate(desk.turn);
        desk.turn = desk.turn.wrapping_add(1);
        match fate {
            Reaction::Take => {}
            Reaction::Refuse { .. } => desk.book.refused += 1,
            Reaction::Swallow => desk.book.swallowed += 1,
        }
        fate
    }

    /// Takes a message and numbers it, unless it cannot be read or is for nobody.
    pub(super) fn take(&self, raw: &[u8], read: impl FnOnce() -> Option<LoggedMessage>) -> PracticeReceipt {
        let at_us = monotonic_us();
        let arrival = match self.keeping {
            Keeping::Tokens => None,
            Keeping::Arrivals => Some(read().map(|arrival| Arc::new(LoggedMessage { at_us, ..arrival }))),
        };
        let mut desk = self.desk();
        match &arrival {
            Some(None) => {
                desk.book.unreadable += 1;
                return PracticeReceipt::Unreadable;
            }
            Some(Some(arrival)) if arrival.channel == Channel::Push && arrival.to.starts_with(GONE) => {
                desk.book.refused += 1;
                return PracticeReceipt::Gone;
            }
            Some(Some(_)) | None => {}
        }
        desk.book.note(raw, at_us);
        desk.taken += 1;
        if let Some(arrival) = arrival.flatten() {
            if desk.kept.len() == KEPT_MAX {
                desk.kept.pop_front();
            }
            desk.kept.push_back(Arc::clone(&arrival));
            // Nobody may be listening.
            drop(self.news.send(arrival));
        }
        PracticeReceipt::Taken(desk.taken)
    }

    fn desk(&self) -> MutexGuard<'_, ReceiptQueue> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
