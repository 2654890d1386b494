//! The words messages were written with: kept for good, under the name that each attempt records, with the times at which
//! they went live and were taken back.
//!
//! Texts before anybody's values are in them, so nothing here is sealed. Nothing of it is ever purged or changed.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::{Error, Store, seal};
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::Content;
use crate::domain::template_version::{TemplateActivation, TemplateKey, TemplateSnapshot, TemplateVersion};

/// More changes than this are counted in the audit log and named in their own table only.
const NAMED_MAX: usize = 100;

/// As many as are needed to say that a beginning is not enough.
const ALIKE_MAX: u32 = 2;

/// What a database must be able to do to keep words.
#[async_trait]
pub(super) trait TemplateVersions: Send + Sync {
    /// Keeps those of `words` that are not known yet and writes down the changes with their event: all or nothing.
    async fn keep_words(
        &self,
        words: &[&TemplateSnapshot],
        changes: &[TemplateActivation],
        event: Option<&AuditEvent>,
    ) -> Result<(), Error>;
    /// The last change of each topic.
    async fn words_in_force(&self) -> Result<Vec<TemplateActivation>, Error>;
    /// Every change, the newest first.
    async fn words_changes(&self) -> Result<Vec<TemplateActivation>, Error>;
    /// The words of those names that are known.
    async fn words(&self, names: &[TemplateVersion]) -> Result<Vec<TemplateSnapshot>, Error>;
    /// Up to `limit` words whose names lie between these, both included.
    async fn words_between(
        &self,
        low: TemplateVersion,
        high: TemplateVersion,
        limit: u32,
    ) -> Result<Vec<TemplateSnapshot>, Error>;
    /// What a delivery is to tell, as long as it is kept.
    async fn sealed(&self, delivery: DeliveryId) -> Result<Option<Vec<u8>>, Error>;
}

impl Store {
    /// Keeps the words of a whole set of texts that is about to go live, and when each of them did. Returns what is
    /// different from what was in force last; nothing is written when nothing is.
    pub async fn publish(&self, words: &[TemplateSnapshot]) -> Result<Vec<TemplateActivation>, Error> {
        let before = self.backend.words_in_force().await?;
        let at = self.clock.now();
        let changes = changes(&before, words, at);
        if changes.is_empty() {
            return Ok(changes);
        }
        let is_new = |words: &&TemplateSnapshot| {
            changes.iter().any(|change| change.template_version == Some(words.template_version))
        };
        let new: Vec<_> = words.iter().filter(is_new).collect();
        // When nothing was in force before, nobody has changed anything.
        let event = (!before.is_empty()).then(|| event(&changes, at));
        self.backend.keep_words(&new, &changes, event.as_ref()).await?;
        Ok(changes)
    }

    /// What is in force, or was when a gateway last ran.
    pub async fn words_in_force(&self) -> Result<Vec<TemplateSnapshot>, Error> {
        let last = self.backend.words_in_force().await?;
        let names: Vec<_> = last.iter().filter_map(|change| change.template_version).collect();
        self.backend.words(&names).await
    }

    /// When which words went live or were taken back, the newest first.
    pub async fn words_changes(&self) -> Result<Vec<TemplateActivation>, Error> {
        self.backend.words_changes().await
    }

    /// The words of those names that are known, by name.
    pub async fn words(&self, names: &[TemplateVersion]) -> Result<HashMap<TemplateVersion, TemplateSnapshot>, Error> {
        let found = self.backend.words(names).await?;
        Ok(found.into_iter().map(|words| (words.template_version, words)).collect())
    }

    /// The words whose name begins with these hexadecimal digits; several when that is not enough to tell them apart.
    pub async fn words_named(&self, beginning: &str) -> Result<Vec<TemplateSnapshot>, Error> {
        match span(beginning) {
            Some((low, high)) => self.backend.words_between(low, high, ALIKE_MAX).await,
            None => Ok(Vec::new()),
        }
    }

    /// What a delivery that is still open tells; nothing when it has ended or its key is gone.
    pub async fn content(&self, delivery: DeliveryId) -> Result<Option<Content>, Error> {
        let Some(sealed) = self.backend.sealed(delivery).await? else { return Ok(None) };
        match self.sealer.open_content(&sealed, delivery) {
            Ok((content, _)) => Ok(Some(content)),
            Err(seal::Error::KeyGone) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn changes(before: &[TemplateActivation], words: &[TemplateSnapshot], at: Timestamp) -> Vec<TemplateActivation> {
    let mut before: BTreeMap<&TemplateKey, TemplateVersion> =
        before.iter().filter_map(|change| Some((&change.topic, change.template_version?))).collect();
    let mut changes = Vec::new();
    for TemplateSnapshot { template_version, topic, .. } in words {
        if before.remove(topic) != Some(*template_version) {
            changes.push(TemplateActivation {
                seq: 0,
                at,
                topic: topic.clone(),
                template_version: Some(*template_version),
            });
        }
    }
    let gone =
        before.into_keys().map(|topic| TemplateActivation { seq: 0, at, topic: topic.clone(), template_version: None });
    changes.extend(gone);
    changes
}

fn event(changes: &[TemplateActivation], at: Timestamp) -> AuditEvent {
    let named = changes.iter().take(NAMED_MAX);
    let texts: Map<String, Value> = named
        .map(|change| {
            (change.topic.to_string(), change.template_version.map_or(Value::Null, |it| it.to_string().into()))
        })
        .collect();
    let mut detail = Map::new();
    detail.insert("count".to_owned(), json!(changes.len()));
    detail.insert("texts".to_owned(), Value::Object(texts));
    AuditEvent {
        at,
        actor: Actor::Gateway,
        kind: AuditKind::TemplatesActivated,
        notification: None,
        delivery: None,
        detail,
    }
}

// The first and the last name that begins so.
fn span(beginning: &str) -> Option<(TemplateVersion, TemplateVersion)> {
    if beginning.is_empty() || beginning.len() > 64 {
        return None;
    }
    let (mut low, mut high) = ([0; 32], [0xff; 32]);
    for (at, digit) in beginning.chars().enumerate() {
        let digit = u8::try_from(digit.to_digit(16)?).ok()?;
        let shift = if at % 2 == 0 { 4 } else { 0 };
        low[at / 2] |= digit << shift;
        high[at / 2] &= !(0xf << shift) | digit << shift;
    }
    Some((TemplateVersion(low), TemplateVersion(high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_begin_alike_lie_between_two_names() {
        let (low, high) = span("a5F").unwrap();

        assert!(low.to_string().starts_with("a5f000") && low.to_string().ends_with("00"));
        assert!(high.to_string().starts_with("a5ffff") && high.to_string().ends_with("ff"));
        let (low, high) = span(&"3c".repeat(32)).unwrap();
        assert_eq!((low, high), (TemplateVersion([0x3c; 32]), TemplateVersion([0x3c; 32])));
        for bad in ["", "xyz", "3ć", &"0".repeat(65)] {
            assert!(span(bad).is_none(), "{bad}");
        }
    }
}
