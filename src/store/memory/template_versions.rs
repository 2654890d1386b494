//! Template versions and their activations.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryBackend;
use super::tables::Tables;
use crate::domain::audit_event::AuditEvent;
use crate::domain::template_version::{TemplateActivation, TemplateKey, TemplateSnapshot, TemplateVersion};
use crate::store::template_versions::{FOUND_MAX, versions_with_prefix};
use crate::store::{Error, KnownTemplates, TemplateVersions};

#[async_trait]
impl TemplateVersions for MemoryBackend {
    async fn activate(
        &self,
        snapshots: &[&TemplateSnapshot],
        activations: &[TemplateActivation],
        event: Option<&AuditEvent>,
    ) -> Result<(), Error> {
        self.call("activate", |tables| {
            tables.insert_activations(snapshots, activations);
            tables.events.extend(event.cloned());
        })
        .await
    }

    async fn last_activations(&self) -> Result<Vec<TemplateActivation>, Error> {
        self.call("last_activations", |tables| tables.last_activations().cloned().collect()).await
    }

    async fn activations(&self) -> Result<Vec<TemplateActivation>, Error> {
        self.call("activations", |tables| tables.activations.iter().rev().cloned().collect()).await
    }

    async fn active(&self) -> Result<Vec<TemplateSnapshot>, Error> {
        self.call("active", |tables| {
            let versions = tables.last_activations().filter_map(|activation| activation.template_version);
            versions.filter_map(|version| tables.snapshots.get(&version)).cloned().collect()
        })
        .await
    }

    async fn snapshots(&self, versions: &[TemplateVersion]) -> Result<KnownTemplates, Error> {
        self.call("snapshots", |tables| {
            let known = |version: &TemplateVersion| Some((*version, tables.snapshots.get(version)?.clone()));
            versions.iter().filter_map(known).collect()
        })
        .await
    }

    async fn find(&self, prefix: &str) -> Result<Vec<TemplateSnapshot>, Error> {
        let Some((low, high)) = versions_with_prefix(prefix) else { return Ok(Vec::new()) };
        self.call("find", |tables| {
            tables.snapshots.range(low..=high).map(|(_, snapshot)| snapshot.clone()).take(FOUND_MAX as usize).collect()
        })
        .await
    }
}

impl Tables {
    /// Adds the snapshots that are not known yet, and the activations.
    pub(super) fn insert_activations(&mut self, snapshots: &[&TemplateSnapshot], activations: &[TemplateActivation]) {
        for snapshot in snapshots {
            self.snapshots.entry(snapshot.template_version).or_insert_with(|| (*snapshot).clone());
        }
        for (activation, seq) in activations.iter().zip(self.activations.len() + 1..) {
            let seq = i64::try_from(seq).unwrap_or(i64::MAX);
            self.activations.push(TemplateActivation { seq, ..activation.clone() });
        }
    }

    fn last_activations(&self) -> impl Iterator<Item = &TemplateActivation> {
        let last: BTreeMap<&TemplateKey, &TemplateActivation> =
            self.activations.iter().map(|activation| (&activation.key, activation)).collect();
        last.into_values()
    }
}
