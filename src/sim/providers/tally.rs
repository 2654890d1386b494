//! Counts received messages by their tokens: rate, latency, duplicates and losses.
//!
//! It needs one bit per message, so that long load runs fit into memory.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::contact::Channel;
use crate::sim::latency::{Latencies, Percentiles, per_second};
use crate::sim::token::Token;

/// Load runs that are counted separately. Messages of further runs count as messages without a token.
const RUNS_MAX: usize = 64;

/// The highest sequence number that is counted in a run: 8 MiB of bits.
const SEQUENCE_MAX: u64 = 64 * 1024 * 1024;

/// The counts of one provider since it was opened or reset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TallyReport {
    pub channel: Channel,
    /// Accepted messages, with or without a token.
    pub total: u64,
    /// Of these, without a valid token.
    pub without_token: u64,
    /// Of these, from the warm-up. Not part of the following counts.
    pub warm_up: u64,
    /// Distinct tokens.
    pub distinct: u64,
    /// Messages with a token that was seen before.
    pub duplicates: u64,
    /// Missing sequence numbers below the highest of each run.
    pub missing: u64,
    /// Distinct tokens per second, from the first message to the last.
    pub rate: f64,
    /// From the due time of the request at the gateway to the first message here.
    pub end_to_end: Percentiles,
    /// Messages rejected on purpose.
    pub rejected: u64,
    /// Messages ignored on purpose.
    pub unanswered: u64,
    /// Requests without a message.
    pub unreadable: u64,
}

/// Counts messages by their tokens.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) rejected: u64,
    pub(super) unanswered: u64,
    pub(super) unreadable: u64,
    total: u64,
    without_token: u64,
    warm_up: u64,
    duplicates: u64,
    runs: HashMap<u32, Run>,
    first_us: u64,
    last_us: u64,
    end_to_end: Latencies,
}

#[derive(Debug, Default)]
struct Run {
    seen: Vec<u64>,
    distinct: u64,
    end: u64,
}

impl Tally {
    /// Counts a message that was received at `now_us`.
    pub(super) fn record(&mut self, message: &[u8], now_us: u64) {
        self.total += 1;
        match Token::find(message) {
            Some(token) if token.warm_up => self.warm_up += 1,
            Some(token) if self.has_room_for(&token) => self.mark_seen(&token, now_us),
            _ => self.without_token += 1,
        }
    }

    fn has_room_for(&self, token: &Token) -> bool {
        token.sequence < SEQUENCE_MAX && (self.runs.len() < RUNS_MAX || self.runs.contains_key(&token.run))
    }

    fn mark_seen(&mut self, token: &Token, now_us: u64) {
        if !self.runs.entry(token.run).or_default().mark_seen(token.sequence) {
            self.duplicates += 1;
            return;
        }
        self.end_to_end.record(now_us.saturating_sub(token.due_us));
        self.first_us = if self.first_us == 0 { now_us } else { self.first_us };
        self.last_us = now_us;
    }

    pub(super) fn report(&self, channel: Channel) -> TallyReport {
        let distinct = self.runs.values().map(|run| run.distinct).sum();
        TallyReport {
            channel,
            total: self.total,
            without_token: self.without_token,
            warm_up: self.warm_up,
            distinct,
            duplicates: self.duplicates,
            missing: self.runs.values().map(|run| run.end - run.distinct).sum(),
            rate: per_second(distinct, Duration::from_micros(self.last_us - self.first_us)),
            end_to_end: self.end_to_end.percentiles(),
            rejected: self.rejected,
            unanswered: self.unanswered,
            unreadable: self.unreadable,
        }
    }
}

impl Run {
    /// Returns whether the sequence number is new.
    fn mark_seen(&mut self, sequence: u64) -> bool {
        let word = usize::try_from(sequence / 64).unwrap_or(usize::MAX);
        let bit = 1 << (sequence % 64);
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let first = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        self.distinct += u64::from(first);
        self.end = self.end.max(sequence + 1);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_and_duplicates_are_counted_separately() {
        let mut tally = Tally::default();
        let token = |sequence, warm_up| Token { run: 7, warm_up, sequence, due_us: 1_000 }.to_string();
        for sequence in [0, 1, 3, 1, 200] {
            tally.record(token(sequence, false).as_bytes(), 3_000);
        }
        tally.record(token(2, true).as_bytes(), 3_000);
        tally.record(b"hello", 3_000);

        let found = tally.report(Channel::Sms);

        assert_eq!((found.total, found.without_token, found.warm_up), (7, 1, 1));
        assert_eq!((found.distinct, found.duplicates, found.missing), (4, 1, 197));
        assert!((found.end_to_end.p50_ms - 2.0).abs() < 0.01);
    }
}
