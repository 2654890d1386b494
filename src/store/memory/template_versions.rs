//! Words and when they went live.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryBackend;
use crate::domain::audit_event::AuditEvent;
use crate::domain::delivery::DeliveryId;
use crate::domain::template_version::{TemplateActivation, TemplateKey, TemplateSnapshot, TemplateVersion};
use crate::store::Error;
use crate::store::template_versions::TemplateVersions;

#[async_trait]
impl TemplateVersions for MemoryBackend {
    async fn keep_words(
        &self,
        words: &[&TemplateSnapshot],
        changes: &[TemplateActivation],
        event: Option<&AuditEvent>,
    ) -> Result<(), Error> {
        self.ask("keep_words", |tables| {
            for words in words {
                tables.words.entry(words.template_version).or_insert_with(|| (*words).clone());
            }
            for change in changes {
                let seq = i64::try_from(tables.words_changes.len()).unwrap_or(i64::MAX).saturating_add(1);
                tables.words_changes.push(TemplateActivation { seq, ..change.clone() });
            }
            if let Some(event) = event {
                tables.log(event);
            }
        })
        .await
    }

    async fn words_in_force(&self) -> Result<Vec<TemplateActivation>, Error> {
        self.ask("words_in_force", |tables| {
            let last: BTreeMap<&TemplateKey, &TemplateActivation> =
                tables.words_changes.iter().map(|change| (&change.topic, change)).collect();
            let mut last: Vec<_> = last.into_values().cloned().collect();
            last.sort_by_key(|change| std::cmp::Reverse(change.seq));
            last
        })
        .await
    }

    async fn words_changes(&self) -> Result<Vec<TemplateActivation>, Error> {
        self.ask("words_changes", |tables| tables.words_changes.iter().rev().cloned().collect()).await
    }

    async fn words(&self, names: &[TemplateVersion]) -> Result<Vec<TemplateSnapshot>, Error> {
        self.ask("words", |tables| {
            let mut names = names.to_vec();
            names.sort_unstable();
            names.dedup();
            names.iter().filter_map(|name| tables.words.get(name)).cloned().collect()
        })
        .await
    }

    async fn words_between(
        &self,
        low: TemplateVersion,
        high: TemplateVersion,
        limit: u32,
    ) -> Result<Vec<TemplateSnapshot>, Error> {
        self.ask("words_between", |tables| {
            tables.words.range(low..=high).map(|(_, words)| words.clone()).take(limit as usize).collect()
        })
        .await
    }

    async fn sealed(&self, delivery: DeliveryId) -> Result<Option<Vec<u8>>, Error> {
        self.ask("sealed", |tables| tables.deliveries.get(&delivery.0).and_then(|row| row.sealed.clone())).await
    }
}
