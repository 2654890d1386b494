//! Counts arrivals by their tokens: how many, how late, how many twice, how many missing.
//!
//! One bit a message, so that a long load run is counted in the memory of a short one.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::contact::Channel;
use crate::sim::latency::{Latencies, Percentiles, per_second};
use crate::sim::token::Token;

/// Runs told apart; arrivals of further ones are counted as without a token.
const RUNS_MAX: usize = 64;

/// The highest sequence counted in one run: 8 MiB of bits.
const SEQUENCE_MAX: u64 = 64 * 1024 * 1024;

/// What arrived at one provider since it was opened or reset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TallyReport {
    /// The provider's channel.
    pub channel: Channel,
    /// Messages taken, with or without a token.
    pub total: u64,
    /// Of them, those without a token that can be counted.
    pub without_token: u64,
    /// Of them, those sent before measuring began; left out of all that follows.
    pub warm_up: u64,
    /// Tokens seen.
    pub distinct: u64,
    /// Arrivals of a token seen before.
    pub duplicates: u64,
    /// Sequence numbers never seen below the highest of their run.
    pub missing: u64,
    /// Distinct tokens a second, from the first arrival to the last.
    pub rate: f64,
    /// From the moment the request was due at the gateway to the first arrival here.
    pub end_to_end: Percentiles,
    /// Messages refused on purpose.
    pub refused: u64,
    /// Messages that vanished on purpose.
    pub swallowed: u64,
    /// Requests that held no message.
    pub unreadable: u64,
}

/// Where tokens are crossed off.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) refused: u64,
    pub(super) swallowed: u64,
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
    beyond: u64,
}

impl Tally {
    /// Counts a message that arrived at `now_us`.
    pub(super) fn note(&mut self, message: &[u8], now_us: u64) {
        self.total += 1;
        match Token::find(message) {
            Some(token) if token.warm_up => self.warm_up += 1,
            Some(token) if self.has_room_for(&token) => self.cross_off(&token, now_us),
            _ => self.without_token += 1,
        }
    }

    fn has_room_for(&self, token: &Token) -> bool {
        token.sequence < SEQUENCE_MAX && (self.runs.len() < RUNS_MAX || self.runs.contains_key(&token.run))
    }

    fn cross_off(&mut self, token: &Token, now_us: u64) {
        if !self.runs.entry(token.run).or_default().cross_off(token.sequence) {
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
            missing: self.runs.values().map(|run| run.beyond - run.distinct).sum(),
            rate: per_second(distinct, Duration::from_micros(self.last_us - self.first_us)),
            end_to_end: self.end_to_end.percentiles(),
            refused: self.refused,
            swallowed: self.swallowed,
            unreadable: self.unreadable,
        }
    }
}

impl Run {
    /// Whether this is the first time.
    fn cross_off(&mut self, sequence: u64) -> bool {
        let word = usize::try_from(sequence / 64).unwrap_or(usize::MAX);
        let bit = 1 << (sequence % 64);
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let first = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        self.distinct += u64::from(first);
        self.beyond = self.beyond.max(sequence + 1);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_and_duplicates_are_told_apart() {
        let mut book = Tally::default();
        let token = |sequence, warm_up| Token { run: 7, warm_up, sequence, due_us: 1_000 }.to_string();
        for sequence in [0, 1, 3, 1, 200] {
            book.note(token(sequence, false).as_bytes(), 3_000);
        }
        book.note(token(2, true).as_bytes(), 3_000);
        book.note(b"hello", 3_000);

        let found = book.report(Channel::Sms);

        assert_eq!((found.total, found.without_token, found.warm_up), (7, 1, 1));
        assert_eq!((found.distinct, found.duplicates, found.missing), (4, 1, 197));
        assert!((found.end_to_end.p50_ms - 2.0).abs() < 0.01);
    }
}
