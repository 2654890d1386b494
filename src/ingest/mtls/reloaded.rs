//! What a reload has changed, for the log and the audit log.

use serde_json::{Map, Value};

use super::trust::TrustStore;
use crate::domain::clock::Timestamp;

/// What the door goes by now, and what it went by before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// Whom our certificate names.
    pub subject: String,
    /// What names its key.
    pub spki: String,
    /// When it ends.
    pub not_after: Timestamp,
    /// Pins that were not on the list before.
    pub pins_added: Vec<String>,
    /// Pins that are not on it any more.
    pub pins_removed: Vec<String>,
}

impl Reloaded {
    pub(crate) fn between(old: &TrustStore, new: &TrustStore) -> Self {
        let only = |here: &TrustStore, there: &TrustStore| {
            let mut pins: Vec<String> =
                here.gate.pins().difference(&there.gate.pins()).map(ToString::to_string).collect();
            pins.sort();
            pins
        };
        Self {
            subject: new.own.subject.clone(),
            spki: new.own.pin.clone(),
            not_after: new.own.not_after,
            pins_added: only(new, old),
            pins_removed: only(old, new),
        }
    }

    /// The same for the audit log.
    pub fn detail(&self) -> Map<String, Value> {
        let mut detail = Map::new();
        let mut put = |name: &str, value: Value| drop(detail.insert(name.to_owned(), value));
        put("subject", self.subject.as_str().into());
        put("spki", self.spki.as_str().into());
        put("not_after", self.not_after.to_string().into());
        put("pins_added", self.pins_added.clone().into());
        put("pins_removed", self.pins_removed.clone().into());
        detail
    }
}
