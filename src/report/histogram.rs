//! Counts of times in buckets whose width grows with the time, so that a quantile is wrong by less than one per cent.
//!
//! Histograms are merged and taken out of each other exactly, whatever the order. Of a short one only the buckets that are
//! used are stored. The largest time is exact to its bucket.

use std::time::Duration;

/// Buckets for each doubling. A value is reported as the middle of its bucket, so it is wrong by 1/128 of itself at most.
const PER_OCTAVE: u64 = 64;

/// Doublings after the first values, which have a bucket each, up to the largest number of microseconds.
const OCTAVES: u64 = 57;

/// The number of buckets.
const BUCKETS: u64 = PER_OCTAVE * (OCTAVES + 2);

/// The bytes are not a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a histogram")]
pub struct InvalidHistogram;

/// How often each time was observed, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// The buckets that are used, in order, and their counts.
    counts: Vec<(u64, u64)>,
    total: u64,
}

impl Histogram {
    /// The number of times.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Adds one time.
    pub fn add(&mut self, time: Duration) {
        self.change(bucket(time), |count| count.saturating_add(1));
    }

    /// Takes out one time that was added before.
    pub fn remove(&mut self, time: Duration) {
        self.change(bucket(time), |count| count.saturating_sub(1));
    }

    /// Adds all times of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.counts {
            self.change(*bucket, |mine| mine.saturating_add(*count));
        }
    }

    /// The time that the share `of` of all times does not exceed; `None` when there are none.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among fewer than 2^52 times"
    )]
    pub fn quantile(&self, of: f64) -> Option<Duration> {
        let rank = ((of * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        let reached = self.counts.iter().find(|(_, count)| {
            seen += count;
            seen >= rank
        });
        reached.map(|(bucket, _)| middle(*bucket))
    }

    /// The largest time, exact to its bucket.
    pub fn max(&self) -> Option<Duration> {
        self.counts.last().map(|(bucket, _)| middle(*bucket))
    }

    /// The used buckets: for each, how far it is from the one before, and its count.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut next = 0;
        for (bucket, count) in &self.counts {
            write(&mut bytes, bucket - next);
            write(&mut bytes, *count);
            next = bucket + 1;
        }
        bytes
    }

    /// Adds what [`Histogram::to_bytes`] wrote.
    ///
    /// # Errors
    /// The bytes end too early, or name a bucket that does not exist.
    pub fn merge_bytes(&mut self, mut bytes: &[u8]) -> Result<(), InvalidHistogram> {
        let mut next = 0;
        while !bytes.is_empty() {
            let bucket = read(&mut bytes)?.checked_add(next).filter(|it| *it < BUCKETS).ok_or(InvalidHistogram)?;
            let count = read(&mut bytes)?;
            self.change(bucket, |mine| mine.saturating_add(count));
            next = bucket + 1;
        }
        Ok(())
    }

    fn change(&mut self, bucket: u64, to: impl FnOnce(u64) -> u64) {
        let found = self.counts.binary_search_by_key(&bucket, |(bucket, _)| *bucket);
        let before = found.map_or(0, |at| self.counts[at].1);
        let after = to(before);
        self.total = (self.total - before).saturating_add(after);
        match (found, after) {
            (Ok(at), 0) => drop(self.counts.remove(at)),
            (Ok(at), _) => self.counts[at].1 = after,
            (Err(_), 0) => {}
            (Err(at), _) => self.counts.insert(at, (bucket, after)),
        }
    }
}

fn bucket(time: Duration) -> u64 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    if micros < 2 * PER_OCTAVE {
        return micros;
    }
    let octave = u64::from(micros.ilog2() - PER_OCTAVE.ilog2());
    octave * PER_OCTAVE + (micros >> octave)
}

fn middle(bucket: u64) -> Duration {
    if bucket < 2 * PER_OCTAVE {
        return Duration::from_micros(bucket);
    }
    let octave = bucket / PER_OCTAVE - 1;
    let low = (bucket - octave * PER_OCTAVE) << octave;
    Duration::from_micros(low + (1 << octave) / 2)
}

// Seven bits a byte, the lowest first; the eighth says that more follow.
fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or(0));
}

fn read(bytes: &mut &[u8]) -> Result<u64, InvalidHistogram> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().ok_or(InvalidHistogram)?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(InvalidHistogram)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(micros: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for it in micros {
            histogram.add(Duration::from_micros(*it));
        }
        histogram
    }

    // Times as they occur: from microseconds to weeks.
    fn times() -> impl Strategy<Value = Vec<u64>> {
        let time = (0_u32..41, any::<u64>()).prop_map(|(bits, any)| any & ((1 << bits) - 1));
        proptest::collection::vec(time, 1..300)
    }

    proptest! {
        #[test]
        fn a_quantile_is_wrong_by_less_than_one_per_cent(mut micros in times(), share in 0.0..=1.0_f64) {
            let histogram = of(&micros);
            micros.sort_unstable();
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss,
                reason = "a few hundred times")]
            let rank = ((share * micros.len() as f64).ceil() as usize).clamp(1, micros.len());
            for (found, exact) in [
                (histogram.quantile(share), micros[rank - 1]),
                (histogram.max(), micros[micros.len() - 1]),
            ] {
                let found = u64::try_from(found.unwrap().as_micros()).unwrap();
                prop_assert!(found.abs_diff(exact) * 100 <= exact, "{found} for {exact}");
            }
        }

        #[test]
        fn histograms_are_merged_and_taken_apart_exactly(one in times(), other in times()) {
            let both = of(&[one.clone(), other.clone()].concat());
            let mut merged = of(&one);
            merged.merge(&of(&other));
            prop_assert_eq!(&merged, &both);
            for time in &other {
                merged.remove(Duration::from_micros(*time));
            }
            prop_assert_eq!(&merged, &of(&one));
        }

        #[test]
        fn a_histogram_is_read_back_from_its_bytes(one in times(), other in times()) {
            let mut read = Histogram::default();
            read.merge_bytes(&of(&one).to_bytes()).unwrap();
            prop_assert_eq!(&read, &of(&one));
            read.merge_bytes(&of(&other).to_bytes()).unwrap();
            prop_assert_eq!(read, of(&[one, other].concat()));
        }

        #[test]
        fn other_bytes_are_refused_or_read_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Histogram::default().merge_bytes(&bytes);
        }
    }

    #[test]
    fn the_longest_time_has_a_bucket_and_bytes_that_end_early_are_refused() {
        let mut longest = of(&[]);
        assert_eq!((longest.quantile(0.5), longest.max()), (None, None));
        longest.add(Duration::MAX);
        assert!(longest.max() > Some(Duration::from_hours(24 * 365 * 300)));
        assert_eq!(longest.clone().merge_bytes(&[0x80]), Err(InvalidHistogram));
        assert_eq!(longest.merge_bytes(&[0xff, 0xff, 0x7f, 1]), Err(InvalidHistogram));
    }
}
