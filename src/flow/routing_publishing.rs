//! Takes changes of plans, limits and providers from a draft over a review into use, without a restart.
//!
//! With `[routing] source = "console"` the database holds the live texts; the first start takes those of the configuration
//! file. A change is tried as a whole, exactly as a start would, before it is submitted and again before it is published. What
//! a text means is known outside of this module: [`Prepare`] makes what takes the place of what is in use.

pub mod source;

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Deserialize;
use tokio::sync::{Mutex, MutexGuard};

use super::providers::registry::{ProviderRegistry, StoredFacts};
use super::review::{self, ActingUser, Review, ReviewEvents, reviewed_event};
use crate::domain::access::Action;
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::Clock;
use crate::domain::content_hash::ContentHash;
use crate::domain::routing_text::{RoutingPath, RoutingProblem, RoutingTexts};
use crate::domain::template_change::{ChangeError, ChangeSubject, TemplateChange, TemplateDraft};
use crate::store::{self, Store};

/// The longest text, in bytes.
pub const TEXT_MAX: usize = 64 * 1024;

/// `[routing]` of the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub source: RoutingSource,
    /// The secrets that texts of the console may name besides those that are in use, as `env:NAME` or `file:PATH`.
    pub secrets: Vec<String>,
}

/// Where plans, limits and providers are edited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutingSource {
    /// In the configuration file.
    #[default]
    Files,
    /// In the console. The first start takes those of the file into the database.
    Console,
}

/// What takes the place of the plans, limits and providers in use.
pub struct PendingSetup {
    /// What differs, in words.
    pub changes: Vec<String>,
    /// Puts it into use.
    pub apply: Box<dyn FnOnce(&StoredFacts) + Send>,
}

/// Validates texts as a start would, without using them. `live` are the texts in use. Blocks.
pub type Prepare = dyn Fn(&RoutingTexts, &RoutingTexts) -> Result<PendingSetup, Vec<RoutingProblem>> + Send + Sync;

/// Why a step was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Review(#[from] review::Error),
    #[error(
        "plans, limits and providers come from the configuration file, so they are not edited here; set [routing] source = \
         \"console\" and restart the gateway, which then takes those of the file into the database"
    )]
    FromFiles,
    #[error("there is no such version of a text")]
    UnknownVersion,
    /// Texts with errors.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<RoutingProblem>),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Review(error.into())
    }
}

impl From<ChangeError> for Error {
    fn from(error: ChangeError) -> Self {
        Self::Review(error.into())
    }
}

const EVENTS: ReviewEvents = ReviewEvents {
    drafted: AuditKind::RoutingDrafted,
    submitted: AuditKind::RoutingChangeSubmitted,
    approved: AuditKind::RoutingChangeApproved,
    denied: AuditKind::RoutingApprovalDenied,
    rejected: AuditKind::RoutingChangeRejected,
    withdrawn: AuditKind::RoutingChangeWithdrawn,
};

/// The way of plans, limits and providers into use.
pub struct RoutingPublisher {
    store: Arc<Store>,
    registry: Arc<ProviderRegistry>,
    review: Review,
    clock: Arc<dyn Clock>,
    source: RoutingSource,
    live: ArcSwap<RoutingTexts>,
    prepare: Arc<Prepare>,
    /// The last published text. Held while something is published, so that it is one at a time.
    last: Mutex<i64>,
}

impl RoutingPublisher {
    /// Publishes into what `prepare` makes of texts. `live` are those in use.
    pub async fn new(
        store: Arc<Store>,
        registry: Arc<ProviderRegistry>,
        clock: Arc<dyn Clock>,
        source: RoutingSource,
        live: RoutingTexts,
        prepare: Arc<Prepare>,
    ) -> Result<Self, store::Error> {
        let last = Mutex::new(store.routing_changes().last_text().await?);
        let (subject, events) = (ChangeSubject::Routing, EVENTS);
        let review = Review { store: Arc::clone(&store), clock: Arc::clone(&clock), subject, events };
        Ok(Self { store, registry, review, clock, source, live: ArcSwap::from_pointee(live), prepare, last })
    }

    /// Whether plans, limits and providers are edited in the console.
    pub fn is_source(&self) -> bool {
        self.source == RoutingSource::Console
    }

    /// The texts in use; none if the configuration file is the source.
    pub fn live(&self) -> Arc<RoutingTexts> {
        self.live.load_full()
    }

    /// The live texts with the drafts of `change` in their place.
    pub fn with_drafts(&self, change: &TemplateChange) -> RoutingTexts {
        let mut texts = self.live().as_ref().clone();
        for draft in &change.drafts {
            match &draft.text {
                Some(text) => texts.insert(draft.path.clone(), text.clone()),
                None => texts.remove(&draft.path),
            };
        }
        texts
    }

    /// The drafts of `change` whose live text has changed since they were begun.
    pub fn moved<'a>(&self, change: &'a TemplateChange) -> Vec<&'a str> {
        let live = self.live();
        let is_moved = |draft: &&TemplateDraft| live.get(&draft.path) != draft.base.as_ref();
        change.drafts.iter().filter(is_moved).map(|draft| draft.path.as_str()).collect()
    }

    /// What these texts would change, or what is wrong with them.
    pub async fn try_out(&self, texts: RoutingTexts) -> Result<Vec<String>, Vec<RoutingProblem>> {
        self.prepared(texts).await.map(|replacement| replacement.changes)
    }

    /// Keeps the live texts as they are until the guard is dropped.
    pub async fn hold(&self) -> MutexGuard<'_, i64> {
        self.last.lock().await
    }

    /// Saves the draft of one text, in `change` or in a new one, and returns the number of the change. `base` is the hash of
    /// the live text that the user has seen. A draft that equals the live text is removed from the change. Errors of the text
    /// itself are refused; that all texts fit together is asked when the change is submitted.
    pub async fn save_draft(
        &self,
        by: ActingUser<'_>,
        change: Option<i64>,
        path: &RoutingPath,
        text: Option<String>,
        base: ContentHash,
    ) -> Result<i64, Error> {
        self.allow(by, Action::EditRouting)?;
        let path = path.to_string();
        let mut change = self.review.change_or_new(change, by).await?;
        let live = self.live().get(&path).cloned();
        review::refuse_unseen(&path, live.as_deref(), base)?;
        if text.as_ref().is_some_and(|text| text.len() > TEXT_MAX) {
            return Err(ChangeError::Input("the text is longer than 65536 bytes").into());
        }
        if self.review.place(by, &mut change, TemplateDraft { path: path.clone(), text, base: live })? {
            let mut problems = self.try_out(self.with_drafts(&change)).await.err().unwrap_or_default();
            problems.retain(|problem| problem.path.as_ref() == Some(&path));
            if !problems.is_empty() {
                return Err(Error::Invalid(problems));
            }
        }
        Ok(self.review.write_draft(by, change, &path).await?)
    }

    /// Makes a change that brings back an older text, for the same review as any other.
    pub async fn restore(&self, by: ActingUser<'_>, seq: i64) -> Result<i64, Error> {
        self.allow(by, Action::EditRouting)?;
        let version = self.store.routing_changes().text_version(seq).await?.ok_or(Error::UnknownVersion)?;
        let path = RoutingPath::parse(&version.path).ok_or(Error::UnknownVersion)?;
        let live = ContentHash::of_text(self.live().get(&version.path).map(String::as_str));
        self.save_draft(by, None, &path, version.text, live).await
    }

    /// Removes a draft from its change.
    pub async fn drop_draft(&self, by: ActingUser<'_>, id: i64, path: &str) -> Result<(), Error> {
        self.allow(by, Action::EditRouting)?;
        Ok(self.review.drop_draft(by, id, path).await?)
    }

    /// Asks for a review, after all texts together have been validated.
    pub async fn submit(&self, by: ActingUser<'_>, id: i64, note: &str) -> Result<(), Error> {
        self.allow(by, Action::EditRouting)?;
        let mut change = self.review.change(id).await?;
        change.submit(by.name, note, self.clock.now())?;
        self.refuse_moved(&change)?;
        self.prepared(self.with_drafts(&change)).await.map_err(Error::Invalid)?;
        Ok(self.review.write_submitted(by, change).await?)
    }

    /// Approves what `seen` is the hash of. An author who tries is refused, and that is recorded.
    pub async fn approve(&self, by: ActingUser<'_>, id: i64, seen: &str, comment: &str) -> Result<(), Error> {
        self.allow(by, Action::ApproveRouting)?;
        Ok(self.review.approve(by, id, seen, comment, |change| self.refuse_moved(change)).await?)
    }

    /// Rejects a change.
    pub async fn reject(&self, by: ActingUser<'_>, id: i64, comment: &str) -> Result<(), Error> {
        self.allow(by, Action::ApproveRouting)?;
        Ok(self.review.reject(by, id, comment).await?)
    }

    /// Gives a change up.
    pub async fn withdraw(&self, by: ActingUser<'_>, id: i64) -> Result<(), Error> {
        self.allow(by, Action::EditRouting)?;
        Ok(self.review.withdraw(by, id).await?)
    }

    /// Puts an approved change into use at once.
    pub async fn publish(&self, by: ActingUser<'_>, id: i64) -> Result<(), Error> {
        self.allow(by, Action::PublishRouting)?;
        let mut last = self.last.lock().await;
        let mut change = self.review.change(id).await?;
        change.publish(by.name, self.clock.now())?;
        self.refuse_moved(&change)?;
        let texts = self.with_drafts(&change);
        let PendingSetup { changes, apply } = self.prepared(texts.clone()).await.map_err(Error::Invalid)?;
        let stored = self.registry.stored_facts().await?;
        let event = reviewed_event(by.actor(), AuditKind::RoutingChangePublished, &change, self.clock.now());
        let event = event.with("changes", changes.clone());
        // Stored first: a process that ends in between starts with what was committed.
        let published = self.store.publish_texts(&change, *last, event).await?;
        *last = published.ok_or_else(|| review::Error::Conflict(review::written_meanwhile(id)))?;
        self.live.store(Arc::new(texts));
        apply(&stored);
        tracing::info!(change = id, changes = changes.join("; "), "plans, limits and providers published");
        Ok(())
    }

    fn allow(&self, by: ActingUser<'_>, action: Action) -> Result<(), Error> {
        review::allow(by, action)?;
        if self.is_source() { Ok(()) } else { Err(Error::FromFiles) }
    }

    fn refuse_moved(&self, change: &TemplateChange) -> Result<(), review::Error> {
        review::refuse_moved(&self.moved(change))
    }

    // Reads the secrets that the texts name, so not on a thread of the runtime.
    async fn prepared(&self, texts: RoutingTexts) -> Result<PendingSetup, Vec<RoutingProblem>> {
        let (prepare, live) = (Arc::clone(&self.prepare), self.live());
        let work = tokio::task::spawn_blocking(move || prepare(&texts, &live));
        let stopped =
            |_| vec![RoutingProblem { path: None, line: None, message: "the gateway is stopping".to_owned() }];
        work.await.map_err(stopped)?
    }
}
