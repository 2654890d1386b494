//! The content of a leaf: one audit event as JSON.
//!
//! A leaf holds ids, names, numbers and times, and no personal data, because it can never be changed or removed. Its bytes
//! follow from the stored event alone, so that a leaf need not be stored a second time.

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tree::{TreeHash, leaf_hash};
use crate::domain::clock::Timestamp;

/// The version of this format, the first member of each leaf.
pub const FORMAT: &str = "otpost-audit-v1";

/// The kind of the event that explains why later events have earlier times.
pub const CLOCK_SET: &str = "clock_set";

/// One audit event as the log commits to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    pub head: LeafHead,
    /// JSON as it is stored, byte for byte.
    pub detail: String,
    pub clock: ClockState,
}

/// What every event has. The order of the members is part of the format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeafHead {
    pub format: String,
    /// The place in the log, from 0.
    pub index: u64,
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub at: Timestamp,
    pub actor: String,
    pub kind: String,
    /// 32 hexadecimal digits.
    pub notification: Option<String>,
    /// 32 hexadecimal digits.
    pub delivery: Option<String>,
}

/// How far the time in a leaf can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockState {
    /// What the machine's clock is set by, as configured.
    pub source: String,
    /// Microseconds by which the wall clock was ahead of the gateway's own clock when the event entered the log.
    pub offset_us: i64,
}

/// The members of a leaf, to find the values; [`Leaf::from_bytes`] compares the bytes.
#[derive(Deserialize)]
struct Members {
    #[serde(flatten)]
    head: LeafHead,
    clock: ClockState,
}

impl Leaf {
    /// The bytes that the log commits to.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let (before, after) = self.around_detail()?;
        Ok([before.as_str(), &self.detail, &after].concat().into_bytes())
    }

    /// Reads a leaf; fails unless it is exactly what [`to_bytes`](Self::to_bytes) writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let Members { head, clock } = serde_json::from_slice(bytes)?;
        if head.format != FORMAT {
            return Err(serde_json::Error::custom(format!("format: expected `{FORMAT}`, found `{}`", head.format)));
        }
        let mut leaf = Self { head, detail: String::new(), clock };
        let (before, after) = leaf.around_detail()?;
        let detail = bytes.strip_prefix(before.as_bytes()).and_then(|rest| rest.strip_suffix(after.as_bytes()));
        let detail = detail.and_then(|detail| std::str::from_utf8(detail).ok());
        let detail = detail.ok_or_else(|| serde_json::Error::custom("not written as the format demands"))?;
        // One value, and not the end of one member and the beginning of another.
        serde_json::from_str::<Value>(detail)?;
        detail.clone_into(&mut leaf.detail);
        Ok(leaf)
    }

    /// The hash of the leaf in the tree.
    pub fn hash(&self) -> Result<TreeHash, serde_json::Error> {
        Ok(leaf_hash(&self.to_bytes()?))
    }

    fn around_detail(&self) -> Result<(String, String), serde_json::Error> {
        let head = serde_json::to_string(&self.head)?;
        let head = head.strip_suffix('}').unwrap_or(&head);
        Ok((format!("{head},\"detail\":"), format!(",\"clock\":{}}}", serde_json::to_string(&self.clock)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAF: &str = r#"{"format":"otpost-audit-v1","index":7,"at":1790000000000000,"actor":"client:verestro","kind":"accepted","notification":"0192c0ffee0192c0ffee0192c0ffee01","delivery":null,"detail":{"b":1,"a":"2"},"clock":{"source":"chrony","offset_us":-12}}"#;

    #[test]
    fn a_leaf_is_read_and_written_byte_for_byte() {
        let leaf = Leaf::from_bytes(LEAF.as_bytes()).unwrap();
        assert_eq!((leaf.head.index, leaf.detail.as_str()), (7, r#"{"b":1,"a":"2"}"#));
        assert_eq!(String::from_utf8(leaf.to_bytes().unwrap()).unwrap(), LEAF);
    }

    #[test]
    fn a_leaf_that_was_written_differently_is_refused() {
        for other in [
            LEAF.replace("\"index\":7", "\"index\": 7"),
            LEAF.replace("otpost-audit-v1", "otpost-audit-v2"),
            LEAF.replace("\"delivery\":null,", ""),
            LEAF.replace("\"index\":7", "\"index\":7,\"more\":1"),
        ] {
            assert!(Leaf::from_bytes(other.as_bytes()).is_err(), "{other}");
        }
    }
}
