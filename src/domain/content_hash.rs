//! A hash of texts, by which it is noticed that they have changed.

use std::fmt;

use openssl::sha::Sha256;

/// SHA-256 of texts, each of which may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// The hash of `texts` in their order. Each text follows its length, so that different texts never give the same input.
    pub fn of<'a>(texts: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let mut digest = Sha256::new();
        for text in texts {
            let length = text.map_or(u64::MAX, |text| text.len() as u64);
            digest.update(&length.to_be_bytes());
            digest.update(text.unwrap_or_default().as_bytes());
        }
        Self(digest.finish())
    }

    /// The hash of one text.
    pub fn of_text(text: Option<&str>) -> Self {
        Self::of([text])
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
