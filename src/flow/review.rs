//! The steps of a review that are the same for everything that is edited in the console.
//!
//! The rules are in `domain::template_change`; here they meet roles, the database and the audit log. What a change must be
//! checked for before it is submitted or published is the matter of its subject.

use std::sync::Arc;

use crate::domain::access::{Action, Role};
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::content_hash::ContentHash;
use crate::domain::template_change::{ChangeError, ChangeSubject, TemplateChange, TemplateDraft};
use crate::store::{self, Store};

/// Who acts.
#[derive(Debug, Clone, Copy)]
pub struct ActingUser<'a> {
    /// The name, as in the audit log.
    pub name: &'a str,
    pub roles: &'a [Role],
    /// The token that acts for the user, if it is a program. Authors and reviewers are users in any case.
    pub token: Option<&'a str>,
}

impl ActingUser<'_> {
    pub(super) fn actor(self) -> Actor {
        self.token.map_or_else(|| Actor::User(self.name.to_owned()), |token| Actor::Token(token.to_owned()))
    }
}

/// Why a step was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("your roles do not allow this")]
    Forbidden(Action),
    #[error("there is no change {0}")]
    UnknownChange(i64),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error("{0}")]
    Conflict(String),
    #[error("the database failed")]
    Store(#[from] store::Error),
}

/// The names of the steps in the audit log.
pub(super) struct ReviewEvents {
    pub(super) drafted: AuditKind,
    pub(super) submitted: AuditKind,
    pub(super) approved: AuditKind,
    /// An author tried to approve.
    pub(super) denied: AuditKind,
    pub(super) rejected: AuditKind,
    pub(super) withdrawn: AuditKind,
}

/// Reviews the changes of one subject.
pub(super) struct Review {
    pub(super) store: Arc<Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) subject: ChangeSubject,
    pub(super) events: ReviewEvents,
}

impl Review {
    /// The change with this number, if it is of this subject.
    pub(super) async fn change(&self, id: i64) -> Result<TemplateChange, Error> {
        let change = self.store.changes_of(self.subject).change(id).await?;
        change.ok_or(Error::UnknownChange(id))
    }

    /// The change with this number, or a new one.
    pub(super) async fn change_or_new(&self, id: Option<i64>, by: ActingUser<'_>) -> Result<TemplateChange, Error> {
        match id {
            Some(id) => self.change(id).await,
            None => Ok(TemplateChange::of(self.subject, by.name, self.clock.now())),
        }
    }

    /// Stores a change with its event; returns its number.
    pub(super) async fn write(&self, change: TemplateChange, event: AuditEvent) -> Result<i64, Error> {
        let changes = self.store.changes_of(self.subject);
        if change.id == 0 {
            return Ok(changes.add_change(&change, &event).await?);
        }
        if changes.save_change(&change, &event.with("change", change.id)).await? {
            return Ok(change.id);
        }
        Err(Error::Conflict(written_meanwhile(change.id)))
    }

    /// Puts a draft into a change; one that equals the live text, which is its base, is removed instead. Whether there is a
    /// draft to validate.
    pub(super) fn place(
        &self,
        by: ActingUser<'_>,
        change: &mut TemplateChange,
        draft: TemplateDraft,
    ) -> Result<bool, Error> {
        let now = self.clock.now();
        if draft.text != draft.base {
            change.edit(by.name, draft, now)?;
            return Ok(true);
        }
        if change.draft(&draft.path).is_none() {
            return Err(ChangeError::Input("the text is the live one; there is nothing to save").into());
        }
        change.drop_draft(by.name, &draft.path, now)?;
        Ok(false)
    }

    /// Stores a change of which the draft at `path` was saved or removed.
    pub(super) async fn write_draft(
        &self,
        by: ActingUser<'_>,
        change: TemplateChange,
        path: &str,
    ) -> Result<i64, Error> {
        let event = AuditEvent::new(by.actor(), self.events.drafted, self.clock.now()).with("path", path);
        let event = if change.draft(path).is_none() { event.with("removed", true) } else { event };
        self.write(change, event).await
    }

    /// Removes a draft from its change.
    pub(super) async fn drop_draft(&self, by: ActingUser<'_>, id: i64, path: &str) -> Result<(), Error> {
        let mut change = self.change(id).await?;
        change.drop_draft(by.name, path, self.clock.now())?;
        self.write_draft(by, change, path).await.map(drop)
    }

    /// Stores a change that was submitted.
    pub(super) async fn write_submitted(&self, by: ActingUser<'_>, change: TemplateChange) -> Result<(), Error> {
        let event = reviewed_event(by.actor(), self.events.submitted, &change, self.clock.now());
        self.write(change, event).await.map(drop)
    }

    /// Approves what `seen` is the hash of, unless `refuses` it. An author who tries is refused, and that is recorded.
    pub(super) async fn approve(
        &self,
        by: ActingUser<'_>,
        id: i64,
        seen: &str,
        comment: &str,
        refuses: impl FnOnce(&TemplateChange) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (mut change, now) = (self.change(id).await?, self.clock.now());
        let current = change.content_hash();
        let seen = if seen == current.to_string() { current } else { ContentHash([0; 32]) };
        if let Err(error) = change.approve(by.name, seen, comment, now) {
            if matches!(error, ChangeError::OwnChange(_)) {
                let event = reviewed_event(by.actor(), self.events.denied, &change, now);
                self.store.audit_events().record(&[event]).await?;
            }
            return Err(error.into());
        }
        // What is live already is not made live by the approval.
        if change.is_editable() {
            refuses(&change)?;
        }
        let event = reviewed_event(by.actor(), self.events.approved, &change, now);
        self.write(change, event).await.map(drop)
    }

    /// Rejects a change.
    pub(super) async fn reject(&self, by: ActingUser<'_>, id: i64, comment: &str) -> Result<(), Error> {
        let (mut change, now) = (self.change(id).await?, self.clock.now());
        change.reject(by.name, comment, now)?;
        let event = reviewed_event(by.actor(), self.events.rejected, &change, now);
        self.write(change, event).await.map(drop)
    }

    /// Gives a change up.
    pub(super) async fn withdraw(&self, by: ActingUser<'_>, id: i64) -> Result<(), Error> {
        let (mut change, now) = (self.change(id).await?, self.clock.now());
        change.withdraw(now)?;
        let event = reviewed_event(by.actor(), self.events.withdrawn, &change, now);
        self.write(change, event).await.map(drop)
    }
}

/// Refuses a user without a role for `action`.
pub(super) fn allow(by: ActingUser<'_>, action: Action) -> Result<(), Error> {
    if by.roles.iter().any(|role| role.may(action)) { Ok(()) } else { Err(Error::Forbidden(action)) }
}

/// An event with everything that proves who wrote what, and what exactly was reviewed.
pub(super) fn reviewed_event(by: Actor, kind: AuditKind, change: &TemplateChange, at: Timestamp) -> AuditEvent {
    let hashes = change.drafts.iter().map(|draft| {
        let hash = draft.text.as_deref().map(|text| ContentHash::of_text(Some(text)).to_string());
        (draft.path.clone(), hash.into())
    });
    let event = AuditEvent::new(by, kind, at)
        .with("change", change.id)
        .with("authors", change.authors.clone())
        .with("content", change.content_hash().to_string())
        .with("texts", serde_json::Value::Object(hashes.collect()));
    let named = [
        ("reason", Some(&change.note).filter(|note| !note.is_empty())),
        ("reviewer", change.reviewer.as_ref()),
        ("comment", change.comment.as_ref()),
        ("emergency", change.emergency.as_ref()),
    ];
    named.into_iter().fold(event, |event, (key, value)| match value {
        Some(value) => event.with(key, value.as_str()),
        None => event,
    })
}

/// Refuses a draft at `path` that its author began from another text than the `live` one.
pub(super) fn refuse_unseen(path: &str, live: Option<&str>, seen: ContentHash) -> Result<(), Error> {
    if ContentHash::of_text(live) == seen {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "the live text of {path} has changed since you opened it; compare your text with it and save again"
    )))
}

/// Refuses a change of which the drafts at `moved` started from texts that are not live any more.
pub(super) fn refuse_moved(moved: &[&str]) -> Result<(), Error> {
    if moved.is_empty() {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "the live text of {} has changed since the draft was begun; open the draft, compare it with the live text, save it \
         again, and have the change reviewed again",
        moved.join(", ")
    )))
}

pub(super) fn written_meanwhile(id: i64) -> String {
    format!("change {id} was written by another user meanwhile; load the page again")
}
