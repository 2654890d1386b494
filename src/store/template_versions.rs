//! Template versions: the contents that messages were rendered from, kept permanently under the hash that each attempt
//! records, with the times at which they became active or were removed.
//!
//! They hold templates, not values, so nothing here is sealed. Nothing of it is ever purged or changed.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::columns::StoredRow;
use super::{Error, Store};
use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::recipient::Locale;
use crate::domain::template_version::{TemplateActivation, TemplateKey, TemplateSnapshot, TemplateVersion};

/// An audit event names at most so many activations, and counts the others; all are in their own table.
const NAMED_MAX: usize = 100;

/// Two versions are enough to show that a prefix is ambiguous.
pub(super) const FOUND_MAX: u32 = 2;

/// Templates by the hash that attempts record.
pub type KnownTemplates = HashMap<TemplateVersion, TemplateSnapshot>;

/// Template versions and their activations.
#[async_trait]
pub trait TemplateVersions: Send + Sync {
    /// Adds the snapshots that are not known yet, the activations and their audit event: all or nothing.
    async fn activate(
        &self,
        snapshots: &[&TemplateSnapshot],
        activations: &[TemplateActivation],
        event: Option<&AuditEvent>,
    ) -> Result<(), Error>;
    /// The last activation of each template key.
    async fn last_activations(&self) -> Result<Vec<TemplateActivation>, Error>;
    /// Every activation, the newest first.
    async fn activations(&self) -> Result<Vec<TemplateActivation>, Error>;
    /// The snapshots that are active, or were when a gateway last ran.
    async fn active(&self) -> Result<Vec<TemplateSnapshot>, Error>;
    /// The snapshots of those versions that are known.
    async fn snapshots(&self, versions: &[TemplateVersion]) -> Result<KnownTemplates, Error>;
    /// The snapshots whose version begins with these hexadecimal digits; two when the prefix is ambiguous.
    async fn find(&self, prefix: &str) -> Result<Vec<TemplateSnapshot>, Error>;
}

impl Store {
    /// Stores a whole set of templates that is about to become active, and the time. Returns the activations: what
    /// differs from the set before. Nothing is written when nothing differs.
    pub async fn publish(&self, snapshots: &[TemplateSnapshot]) -> Result<Vec<TemplateActivation>, Error> {
        let (new, activations, event) = self.new_activations(snapshots, self.clock.now()).await?;
        if !activations.is_empty() {
            self.backend.activate(&new, &activations, event.as_ref()).await?;
        }
        Ok(activations)
    }

    // What differs from the set before, the snapshots that are new, and the audit event about both.
    pub(super) async fn new_activations<'a>(
        &self,
        snapshots: &'a [TemplateSnapshot],
        at: Timestamp,
    ) -> Result<(Vec<&'a TemplateSnapshot>, Vec<TemplateActivation>, Option<AuditEvent>), Error> {
        let before = self.backend.last_activations().await?;
        let activations = activations(&before, snapshots, at);
        let is_new = |snapshot: &&TemplateSnapshot| {
            activations.iter().any(|activation| activation.template_version == Some(snapshot.template_version))
        };
        let new: Vec<_> = snapshots.iter().filter(is_new).collect();
        // The first set of a new database is not a change.
        let is_change = !before.is_empty() && !activations.is_empty();
        let event = is_change.then(|| event(&activations, at));
        Ok((new, activations, event))
    }
}

fn activations(
    before: &[TemplateActivation],
    snapshots: &[TemplateSnapshot],
    at: Timestamp,
) -> Vec<TemplateActivation> {
    let mut before: BTreeMap<&TemplateKey, TemplateVersion> =
        before.iter().filter_map(|activation| Some((&activation.key, activation.template_version?))).collect();
    let activation =
        |key: &TemplateKey, template_version| TemplateActivation { seq: 0, at, key: key.clone(), template_version };
    let mut activations = Vec::new();
    for TemplateSnapshot { template_version, key, .. } in snapshots {
        if before.remove(key) != Some(*template_version) {
            activations.push(activation(key, Some(*template_version)));
        }
    }
    activations.extend(before.into_keys().map(|key| activation(key, None)));
    activations
}

fn event(activations: &[TemplateActivation], at: Timestamp) -> AuditEvent {
    let named = activations.iter().take(NAMED_MAX);
    let templates: Map<String, Value> = named
        .map(|it| (it.key.to_string(), it.template_version.map_or(Value::Null, |version| version.to_string().into())))
        .collect();
    AuditEvent::gateway(AuditKind::TemplatesActivated, at)
        .with("count", activations.len())
        .with("templates", Value::Object(templates))
}

/// The first and the last version that begin with these hexadecimal digits; `None` when they are no hexadecimal digits,
/// or too many.
pub(super) fn versions_with_prefix(prefix: &str) -> Option<(TemplateVersion, TemplateVersion)> {
    if prefix.is_empty() || prefix.len() > 64 {
        return None;
    }
    let (mut low, mut high) = ([0; 32], [0xff; 32]);
    for (at, digit) in prefix.chars().enumerate() {
        let digit = u8::try_from(digit.to_digit(16)?).ok()?;
        let shift = if at % 2 == 0 { 4 } else { 0 };
        low[at / 2] |= digit << shift;
        high[at / 2] &= !(0xf << shift) | digit << shift;
    }
    Some((TemplateVersion(low), TemplateVersion(high)))
}

pub(super) fn activation(row: &impl StoredRow) -> Result<TemplateActivation, Error> {
    let seq: i64 = row.column("seq")?;
    let inconsistent = |what| Error::Inconsistent { table: "template_activation", id: seq.to_string(), what };
    let hash: Option<Vec<u8>> = row.column("hash")?;
    let hash = hash.map(|bytes| bytes.try_into().map(TemplateVersion)).transpose().map_err(|_| inconsistent("hash"))?;
    let at = Timestamp::from_micros(row.column("at")?);
    Ok(TemplateActivation { seq, at, key: key(row)?.map_err(inconsistent)?, template_version: hash })
}

pub(super) fn snapshot(row: &impl StoredRow) -> Result<TemplateSnapshot, Error> {
    let hash: Vec<u8> = row.column("hash")?;
    let inconsistent = |what| Error::Inconsistent { table: "template_version", id: hex::encode(&hash), what };
    let parts: String = row.column("parts")?;
    let parts: BTreeMap<String, String> = serde_json::from_str(&parts).map_err(|_| inconsistent("parts"))?;
    let key = key(row)?.map_err(inconsistent)?;
    let version = hash.as_slice().try_into().map(TemplateVersion).map_err(|_| inconsistent("hash"))?;
    Ok(TemplateSnapshot { template_version: version, key, parts })
}

// The inner error is the column that cannot be read back.
pub(super) fn key(row: &impl StoredRow) -> Result<Result<TemplateKey, &'static str>, Error> {
    let (locale, kind, channel): (String, String, String) =
        (row.column("locale")?, row.column("kind")?, row.column("channel")?);
    let read = || {
        Ok(TemplateKey {
            locale: Locale::parse(&locale).map_err(|_| "locale")?,
            kind: kind.parse().map_err(|_| "kind")?,
            channel: channel.parse().map_err(|_| "channel")?,
        })
    };
    Ok(read())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_with_a_common_prefix_lie_between_two_versions() {
        let (low, high) = versions_with_prefix("a5F").unwrap();

        assert!(low.to_string().starts_with("a5f000") && low.to_string().ends_with("00"));
        assert!(high.to_string().starts_with("a5ffff") && high.to_string().ends_with("ff"));
        let (low, high) = versions_with_prefix(&"3c".repeat(32)).unwrap();
        assert_eq!((low, high), (TemplateVersion([0x3c; 32]), TemplateVersion([0x3c; 32])));
        for bad in ["", "xyz", "3ć", &"0".repeat(65)] {
            assert!(versions_with_prefix(bad).is_none(), "{bad}");
        }
    }
}
