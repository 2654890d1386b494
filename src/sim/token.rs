//! Tokens that mark simulated messages from the processor to the provider, to detect losses and duplicates and to
//! measure the time between.
//!
//! A token is 24 capital letters in the merchant's name. Letters survive every encoding, and are not mistaken for a
//! phone or card number.

use std::fmt;

/// The number of letters of a token.
pub const LENGTH: usize = 24;

const RUN: std::ops::Range<usize> = 2..6;
const SEQUENCE: std::ops::Range<usize> = 6..13;
const DUE: std::ops::Range<usize> = 13..23;
const CHECK: usize = 23;

/// The number of distinct runs: four letters.
pub const RUNS: u32 = 26 * 26 * 26 * 26;

/// The token of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// The number of the load run, below [`RUNS`].
    pub run: u32,
    /// Whether it belongs to the warm-up.
    pub warm_up: bool,
    /// 0 for the first of its run. Below 26⁷, about eight billion.
    pub sequence: u64,
    /// Its due time in microseconds of the monotonic clock. Enough for four years of uptime.
    pub due_us: u64,
}

impl Token {
    /// The first complete token in `bytes`.
    pub fn find(bytes: &[u8]) -> Option<Self> {
        bytes.windows(LENGTH).find_map(Self::read)
    }

    /// The four letters that identify the run.
    pub fn run_letters(&self) -> String {
        self.letters()[RUN].iter().copied().map(char::from).collect()
    }

    fn read(letters: &[u8]) -> Option<Self> {
        let warm_up = match letters.get(..2)? {
            b"QZ" => false,
            b"QW" => true,
            _ => return None,
        };
        if !letters.iter().all(u8::is_ascii_uppercase) || letters[CHECK] != check(&letters[..CHECK]) {
            return None;
        }
        let run = u32::try_from(number(&letters[RUN])).ok()?;
        Some(Self { run, warm_up, sequence: number(&letters[SEQUENCE]), due_us: number(&letters[DUE]) })
    }

    fn letters(&self) -> [u8; LENGTH] {
        let mut letters = [b'A'; LENGTH];
        letters[..2].copy_from_slice(if self.warm_up { b"QW" } else { b"QZ" });
        encode(&mut letters[RUN], self.run.into());
        encode(&mut letters[SEQUENCE], self.sequence);
        encode(&mut letters[DUE], self.due_us);
        letters[CHECK] = check(&letters[..CHECK]);
        letters
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.letters()).map_err(|_| fmt::Error)?)
    }
}

fn encode(letters: &mut [u8], mut value: u64) {
    for letter in letters.iter_mut().rev() {
        *letter = nth_letter(value);
        value /= 26;
    }
}

fn number(letters: &[u8]) -> u64 {
    letters.iter().fold(0, |value, letter| value * 26 + u64::from(letter - b'A'))
}

// A weighted sum detects a lost or changed letter, and swapped neighbours.
fn check(letters: &[u8]) -> u8 {
    nth_letter(letters.iter().zip(1u64..).map(|(letter, place)| u64::from(*letter) * (2 * place + 1)).sum())
}

fn nth_letter(value: u64) -> u8 {
    b'A' + u8::try_from(value % 26).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token = Token { run: 456_975, warm_up: false, sequence: 123_456, due_us: 98_765_432_100 };

    #[test]
    fn a_token_is_found_in_the_middle_of_a_message() {
        let message = format!("{{\"text\":\"QZ Kod 1111, 10,00 zł w {TOKEN}. QZA\"}}");
        assert_eq!(Token::find(message.as_bytes()), Some(TOKEN));
        assert_eq!(TOKEN.to_string().len(), LENGTH);
    }

    #[test]
    fn a_damaged_token_is_no_token() {
        let intact = TOKEN.to_string();
        let mut swapped = intact.clone().into_bytes();
        swapped.swap(15, 16);
        assert_ne!(intact.as_bytes()[15], intact.as_bytes()[16]);
        for bad in [intact.to_lowercase().as_bytes(), &intact.as_bytes()[1..], &swapped, b"", b"QZ"] {
            assert_eq!(Token::find(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }
}
