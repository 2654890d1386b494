//! Takes changes of templates from a draft over a review to the recipients.
//!
//! The rules of the review are in `domain::template_change`, its steps in `flow::review`; here they meet validation. A change is
//! published in one transaction, after the whole set has been validated as files are; only then it becomes active.
//! `publication` publishes, now or at a time. `source` reads the live texts from the database.

mod publication;
pub mod source;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use super::alarms::Alarms;
pub use super::review::ActingUser;
use super::review::{self, Review, ReviewEvents};
use crate::domain::access::Action;
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::Clock;
use crate::domain::content_hash::ContentHash;
use crate::domain::template_change::{ChangeError, ChangeSubject, TemplateChange, TemplateDraft};
use crate::render::{self, Diagnostic, LiveTemplates, Renderer, Settings, TemplatePath, TemplateSet, TemplateSource};
use crate::store::{self, Store};

/// Why a step was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("your roles do not allow this")]
    Forbidden(Action),
    #[error(
        "the templates come from the folder, so they are not edited here; set [templates] source = \"console\" and restart the \
         gateway, which then takes the texts of the folder into the database"
    )]
    FromFiles,
    #[error("publishing without an approval is not possible here, because [templates] emergency_publish is false")]
    NoEmergency,
    #[error("there is no change {0}")]
    UnknownChange(i64),
    #[error("there is no such version of a text")]
    UnknownVersion,
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error("{0}")]
    Conflict(String),
    /// Templates with errors.
    #[error("the templates have errors")]
    Invalid(Vec<Diagnostic>),
    #[error(transparent)]
    Render(render::Error),
    #[error("the database failed")]
    Store(#[from] store::Error),
}

impl From<review::Error> for Error {
    fn from(error: review::Error) -> Self {
        match error {
            review::Error::Forbidden(action) => Self::Forbidden(action),
            review::Error::UnknownChange(id) => Self::UnknownChange(id),
            review::Error::Change(error) => Self::Change(error),
            review::Error::Conflict(sentence) => Self::Conflict(sentence),
            review::Error::Store(error) => Self::Store(error),
        }
    }
}

impl From<render::Error> for Error {
    fn from(error: render::Error) -> Self {
        match error {
            render::Error::Rejected(diagnostics) => Self::Invalid(diagnostics),
            other => Self::Render(other),
        }
    }
}

/// The steps of a review in the audit log.
const EVENTS: ReviewEvents = ReviewEvents {
    drafted: AuditKind::TemplateDrafted,
    submitted: AuditKind::TemplateChangeSubmitted,
    approved: AuditKind::TemplateChangeApproved,
    denied: AuditKind::TemplateApprovalDenied,
    rejected: AuditKind::TemplateChangeRejected,
    withdrawn: AuditKind::TemplateChangeWithdrawn,
};

/// The way of templates to the recipients.
pub struct TemplatePublisher {
    store: Arc<Store>,
    review: Review,
    live: Arc<LiveTemplates>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    alarms: Arc<Alarms>,
    /// The published texts. When this version rejects them, an author must see them to correct them, although earlier ones
    /// are active.
    published: ArcSwap<TemplateSet>,
    /// The last published text that is active. Held while something is published, so that it is one at a time.
    active: Mutex<i64>,
}

impl TemplatePublisher {
    /// Publishes from `store` into `live`, whose texts are those up to the last published one.
    pub async fn new(
        store: Arc<Store>,
        live: Arc<LiveTemplates>,
        settings: &Settings,
        clock: Arc<dyn Clock>,
        alarms: Arc<Alarms>,
    ) -> Result<Self, store::Error> {
        let texts = store.template_changes().published_texts().await?;
        let published = ArcSwap::from_pointee(source::set_of(&texts, settings));
        let (settings, active) = (settings.clone(), Mutex::new(texts.last));
        let (subject, events) = (ChangeSubject::Templates, EVENTS);
        let review = Review { store: Arc::clone(&store), clock: Arc::clone(&clock), subject, events };
        Ok(Self { store, review, live, settings, clock, alarms, published, active })
    }

    /// The live texts.
    pub fn live_set(&self) -> Arc<TemplateSet> {
        if self.is_source() { self.published.load_full() } else { Arc::clone(self.live.current().template_set()) }
    }

    /// The settings of templates.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether texts are edited in the console.
    pub fn is_source(&self) -> bool {
        self.settings.source == TemplateSource::Console
    }

    /// The live texts with the drafts of `change` in their place.
    pub fn with_drafts(&self, change: &TemplateChange) -> TemplateSet {
        with_drafts(self.live_set().as_ref().clone(), &change.drafts, &self.settings)
    }

    /// The drafts of `change` whose live text has changed since they were begun.
    pub fn moved<'a>(&self, change: &'a TemplateChange) -> Vec<&'a str> {
        let live = self.live_set();
        let is_moved = |draft: &&TemplateDraft| {
            TemplatePath::parse(&draft.path).is_some_and(|path| live.text(&path) != draft.base.as_deref())
        };
        change.drafts.iter().filter(is_moved).map(|draft| draft.path.as_str()).collect()
    }

    /// Saves the draft of one text, in `change` or in a new one, and returns the number of the change. `base` is the hash of
    /// the live text that the user has seen. A draft that equals the live text is removed from the change.
    pub async fn save_draft(
        &self,
        by: ActingUser<'_>,
        change: Option<i64>,
        path: &TemplatePath,
        text: Option<String>,
        base: ContentHash,
    ) -> Result<i64, Error> {
        self.allow(by, Action::EditTemplates)?;
        let mut change = self.review.change_or_new(change, by).await?;
        let (live, name) = (self.live_set().text(path).map(str::to_owned), path.to_string());
        review::refuse_unseen(&name, live.as_deref(), base)?;
        if self.review.place(by, &mut change, TemplateDraft { path: name.clone(), text, base: live })? {
            self.refuse_errors_in(&change, path).await?;
        }
        Ok(self.review.write_draft(by, change, &name).await?)
    }

    /// Makes a change that brings back an older text, for the same review as any other.
    pub async fn restore(&self, by: ActingUser<'_>, seq: i64) -> Result<i64, Error> {
        self.allow(by, Action::EditTemplates)?;
        let version = self.store.template_changes().text_version(seq).await?.ok_or(Error::UnknownVersion)?;
        let path = TemplatePath::parse(&version.path).ok_or(Error::UnknownVersion)?;
        let live = ContentHash::of_text(self.live_set().text(&path));
        self.save_draft(by, None, &path, version.text, live).await
    }

    /// Removes a draft from its change.
    pub async fn drop_draft(&self, by: ActingUser<'_>, id: i64, path: &str) -> Result<(), Error> {
        self.allow(by, Action::EditTemplates)?;
        Ok(self.review.drop_draft(by, id, path).await?)
    }

    /// Asks for a review, after the whole set has been validated.
    pub async fn submit(&self, by: ActingUser<'_>, id: i64, note: &str) -> Result<(), Error> {
        self.allow(by, Action::EditTemplates)?;
        let mut change = self.review.change(id).await?;
        change.submit(by.name, note, self.clock.now())?;
        self.compile(&change).await?;
        Ok(self.review.write_submitted(by, change).await?)
    }

    /// Approves what `seen` is the hash of. An author who tries is refused, and that is recorded.
    pub async fn approve(&self, by: ActingUser<'_>, id: i64, seen: &str, comment: &str) -> Result<(), Error> {
        self.allow(by, Action::ApproveTemplates)?;
        Ok(self.review.approve(by, id, seen, comment, |change| self.refuse_moved(change)).await?)
    }

    /// Rejects a change.
    pub async fn reject(&self, by: ActingUser<'_>, id: i64, comment: &str) -> Result<(), Error> {
        self.allow(by, Action::ApproveTemplates)?;
        Ok(self.review.reject(by, id, comment).await?)
    }

    /// Gives a change up.
    pub async fn withdraw(&self, by: ActingUser<'_>, id: i64) -> Result<(), Error> {
        self.allow(by, Action::EditTemplates)?;
        Ok(self.review.withdraw(by, id).await?)
    }

    fn allow(&self, by: ActingUser<'_>, action: Action) -> Result<(), Error> {
        review::allow(by, action)?;
        if self.is_source() { Ok(()) } else { Err(Error::FromFiles) }
    }

    fn refuse_moved(&self, change: &TemplateChange) -> Result<(), review::Error> {
        review::refuse_moved(&self.moved(change))
    }

    // What is wrong with the text at `path`; other texts are validated when the change is submitted.
    async fn refuse_errors_in(&self, change: &TemplateChange, path: &TemplatePath) -> Result<(), Error> {
        let (set, path, settings) = (self.with_drafts(change), path.clone(), self.settings.clone());
        let work = tokio::task::spawn_blocking(move || render::diagnose(&set, &path, &settings));
        let mut diagnostics = work.await.map_err(|_| stopped())??;
        diagnostics.retain(|diagnostic| diagnostic.is_error);
        if diagnostics.is_empty() { Ok(()) } else { Err(Error::Invalid(diagnostics)) }
    }

    // The renderer that would be active with the drafts of `change`.
    async fn compile(&self, change: &TemplateChange) -> Result<Renderer, Error> {
        self.refuse_moved(change)?;
        self.compile_set(self.with_drafts(change)).await
    }

    async fn compile_set(&self, set: TemplateSet) -> Result<Renderer, Error> {
        let settings = self.settings.clone();
        let work = tokio::task::spawn_blocking(move || Renderer::compile(&set, &settings));
        Ok(work.await.map_err(|_| stopped())??)
    }
}

fn with_drafts(set: TemplateSet, drafts: &[TemplateDraft], settings: &Settings) -> TemplateSet {
    drafts.iter().fold(set, |set, draft| match TemplatePath::parse(&draft.path) {
        Some(path) => set.with_text(&settings.dir, &path, draft.text.as_deref()),
        None => set,
    })
}

// Only a panic or the end of the process ends a blocking task early.
fn stopped() -> Error {
    Error::Store(store::Error::Stopped)
}
