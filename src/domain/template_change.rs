//! A change on its way to recipients: drafts of texts that are reviewed and published as one. The texts are templates, or the
//! plans, limits and providers of routing.
//!
//! Pure: time and names come in as arguments. Every rule of the review is here, so that each is a test without a database.

use strum::{EnumString, IntoStaticStr};

use super::clock::Timestamp;
use super::content_hash::ContentHash;

/// What the texts of a change are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum ChangeSubject {
    Templates,
    /// Plans, limits and providers.
    Routing,
}

impl ChangeSubject {
    /// The name in the database.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// How far a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum ChangeState {
    /// It is being written.
    Draft,
    /// It waits for an approval.
    Submitted,
    /// It waits to be published, now or at its time.
    Approved,
    /// It is live.
    Published,
    /// A reviewer refused it. An edit makes it a draft again.
    Rejected,
    /// Its authors gave it up.
    Withdrawn,
}

impl ChangeState {
    /// The name in the database and on pages.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What one text is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateDraft {
    /// The path among the texts of its subject, such as `pl/otp/sms.hbs`.
    pub path: String,
    /// The new text; `None` removes it.
    pub text: Option<String>,
    /// The live text that the draft started from; `None` if there was none.
    pub base: Option<String>,
}

/// A set of drafts with its review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateChange {
    /// The number by which operators name it; 0 until it is stored.
    pub id: i64,
    pub subject: ChangeSubject,
    /// Raised by each write, so that two writes at once are noticed.
    pub version: i64,
    pub state: ChangeState,
    /// Everybody who wrote a draft or submitted it, the first author first. None of them can approve it.
    pub authors: Vec<String>,
    /// Why the texts are changed.
    pub note: String,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
    /// Who approved or rejected it.
    pub reviewer: Option<String>,
    pub reviewed_at: Option<Timestamp>,
    /// What the reviewer says.
    pub comment: Option<String>,
    /// When it is to be published.
    pub publish_at: Option<Timestamp>,
    /// Who published it, or set the time.
    pub publisher: Option<String>,
    pub published_at: Option<Timestamp>,
    /// Why it was published without an approval.
    pub emergency: Option<String>,
    /// Why it could not be published at its time.
    pub problem: Option<String>,
    /// In the order of the paths.
    pub drafts: Vec<TemplateDraft>,
}

/// Why a step of the review is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    #[error("you wrote a part of change {0}, so another user with the role approver must review it")]
    OwnChange(i64),
    #[error("change {id} is {}, so it cannot be {step}", .state.name())]
    State {
        id: i64,
        state: ChangeState,
        /// What was asked for, as a participle.
        step: &'static str,
    },
    #[error("change {0} was edited after you opened it; look at it again")]
    Edited(i64),
    #[error("{0}")]
    Input(&'static str),
}

impl ChangeError {
    /// Whether the input itself is wrong, whatever the state of the change is.
    pub fn is_about_input(&self) -> bool {
        matches!(self, Self::Input(_))
    }
}

impl TemplateChange {
    /// A new change of templates without drafts.
    pub fn new(author: &str, at: Timestamp) -> Self {
        Self::of(ChangeSubject::Templates, author, at)
    }

    /// A new change without drafts.
    pub fn of(subject: ChangeSubject, author: &str, at: Timestamp) -> Self {
        Self {
            id: 0,
            subject,
            version: 0,
            state: ChangeState::Draft,
            authors: vec![author.to_owned()],
            note: String::new(),
            created_at: at,
            changed_at: at,
            reviewer: None,
            reviewed_at: None,
            comment: None,
            publish_at: None,
            publisher: None,
            published_at: None,
            emergency: None,
            problem: None,
            drafts: Vec::new(),
        }
    }

    /// What an approval is bound to.
    pub fn content_hash(&self) -> ContentHash {
        let drafts = self.drafts.iter();
        ContentHash::of(drafts.flat_map(|it| [Some(it.path.as_str()), it.text.as_deref(), it.base.as_deref()]))
    }

    /// Whether drafts may still change.
    pub fn is_editable(&self) -> bool {
        !matches!(self.state, ChangeState::Published | ChangeState::Withdrawn)
    }

    /// Whether it went live without an approval, and has not been reviewed since.
    pub fn is_unreviewed(&self) -> bool {
        self.state == ChangeState::Published && self.reviewer.is_none()
    }

    /// The draft of the template at `path`.
    pub fn draft(&self, path: &str) -> Option<&TemplateDraft> {
        self.drafts.iter().find(|draft| draft.path == path)
    }

    /// Adds or replaces a draft. What was submitted or approved is a draft again.
    pub fn edit(&mut self, by: &str, draft: TemplateDraft, at: Timestamp) -> Result<(), ChangeError> {
        self.reopen(by, at)?;
        self.drafts.retain(|old| old.path != draft.path);
        self.drafts.push(draft);
        self.drafts.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(())
    }

    /// Removes a draft; the live text stays.
    pub fn drop_draft(&mut self, by: &str, path: &str, at: Timestamp) -> Result<(), ChangeError> {
        self.reopen(by, at)?;
        self.drafts.retain(|old| old.path != path);
        Ok(())
    }

    fn reopen(&mut self, by: &str, at: Timestamp) -> Result<(), ChangeError> {
        if !self.is_editable() {
            return Err(self.wrong_state("edited"));
        }
        self.state = ChangeState::Draft;
        self.join(by);
        self.forget_review(at);
        Ok(())
    }

    /// Asks for a review.
    pub fn submit(&mut self, by: &str, note: &str, at: Timestamp) -> Result<(), ChangeError> {
        if self.state != ChangeState::Draft {
            return Err(self.wrong_state("submitted"));
        }
        if self.drafts.is_empty() {
            return Err(ChangeError::Input("the change has no drafts; edit a text first"));
        }
        self.note = line(note).ok_or(ChangeError::Input("the note is missing: say why the texts are changed"))?;
        self.state = ChangeState::Submitted;
        self.join(by);
        self.forget_review(at);
        Ok(())
    }

    /// Approves what `seen` is the hash of.
    pub fn approve(&mut self, by: &str, seen: ContentHash, comment: &str, at: Timestamp) -> Result<(), ChangeError> {
        if self.is_author(by) || (self.is_unreviewed() && self.publisher.as_deref() == Some(by)) {
            return Err(ChangeError::OwnChange(self.id));
        }
        if seen != self.content_hash() {
            return Err(ChangeError::Edited(self.id));
        }
        match self.state {
            ChangeState::Submitted => self.state = ChangeState::Approved,
            // A change that had to be published before anybody could approve it is reviewed afterwards.
            ChangeState::Published if self.reviewer.is_none() => {}
            _ => return Err(self.wrong_state("approved")),
        }
        self.review(by, line(comment), at);
        Ok(())
    }

    /// Refuses it, and says why.
    pub fn reject(&mut self, by: &str, comment: &str, at: Timestamp) -> Result<(), ChangeError> {
        if !matches!(self.state, ChangeState::Submitted | ChangeState::Approved) {
            return Err(self.wrong_state("rejected"));
        }
        let comment = line(comment).ok_or(ChangeError::Input("the comment is missing: say what must be different"))?;
        self.state = ChangeState::Rejected;
        self.forget_review(at);
        self.review(by, Some(comment), at);
        Ok(())
    }

    /// Gives it up.
    pub fn withdraw(&mut self, at: Timestamp) -> Result<(), ChangeError> {
        if !self.is_editable() {
            return Err(self.wrong_state("withdrawn"));
        }
        self.state = ChangeState::Withdrawn;
        self.publish_at = None;
        self.problem = None;
        self.changed_at = at;
        Ok(())
    }

    /// Has an approved change published at `publish_at`.
    pub fn schedule(&mut self, by: &str, publish_at: Timestamp, now: Timestamp) -> Result<(), ChangeError> {
        if self.state != ChangeState::Approved {
            return Err(self.wrong_state("published"));
        }
        if publish_at <= now {
            return Err(ChangeError::Input("the time to publish must be in the future"));
        }
        self.publish_at = Some(publish_at);
        self.publisher = Some(by.to_owned());
        self.changed_at = now;
        Ok(())
    }

    /// Marks an approved change as published.
    pub fn publish(&mut self, by: &str, at: Timestamp) -> Result<(), ChangeError> {
        if self.state != ChangeState::Approved {
            return Err(self.wrong_state("published"));
        }
        self.published(by, at);
        Ok(())
    }

    /// Marks a change as published without an approval.
    pub fn publish_unapproved(&mut self, by: &str, reason: &str, at: Timestamp) -> Result<(), ChangeError> {
        if !matches!(self.state, ChangeState::Draft | ChangeState::Submitted) {
            return Err(self.wrong_state("published without approval"));
        }
        if self.drafts.is_empty() {
            return Err(ChangeError::Input("the change has no drafts; edit a text first"));
        }
        let reason = line(reason).ok_or(ChangeError::Input("the reason is missing: say why it cannot wait"))?;
        self.emergency = Some(reason);
        self.published(by, at);
        Ok(())
    }

    /// Returns it to the reviewers, because it could not be published at its time.
    pub fn fail(&mut self, problem: &str, at: Timestamp) {
        self.state = ChangeState::Submitted;
        self.forget_review(at);
        self.problem = Some(problem.to_owned());
    }

    fn published(&mut self, by: &str, at: Timestamp) {
        self.state = ChangeState::Published;
        self.publisher = Some(by.to_owned());
        self.published_at = Some(at);
        self.publish_at = None;
        self.problem = None;
        self.changed_at = at;
    }

    fn review(&mut self, by: &str, comment: Option<String>, at: Timestamp) {
        self.reviewer = Some(by.to_owned());
        self.reviewed_at = Some(at);
        self.comment = comment;
        self.changed_at = at;
    }

    fn forget_review(&mut self, at: Timestamp) {
        (self.reviewer, self.reviewed_at, self.comment) = (None, None, None);
        (self.publish_at, self.publisher, self.problem) = (None, None, None);
        self.changed_at = at;
    }

    /// Whether `name` wrote a part of it.
    pub fn is_author(&self, name: &str) -> bool {
        self.authors.iter().any(|author| author == name)
    }

    fn join(&mut self, by: &str) {
        if !self.is_author(by) {
            self.authors.push(by.to_owned());
        }
    }

    fn wrong_state(&self, step: &'static str) -> ChangeError {
        ChangeError::State { id: self.id, state: self.state, step }
    }
}

/// The longest note, comment or reason, in characters; a longer one is cut.
const LINE_MAX: usize = 500;

// One line without control characters; `None` when nothing of it is left.
fn line(text: &str) -> Option<String> {
    let spaced = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let cut: String = spaced.take(LINE_MAX).collect();
    Some(cut.trim().to_owned()).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

    fn change() -> TemplateChange {
        let mut change = TemplateChange { id: 7, ..TemplateChange::new("author", NOW) };
        change.edit("author", draft("{{otp}} new"), NOW).unwrap();
        change
    }

    fn draft(text: &str) -> TemplateDraft {
        let base = Some("{{otp}} old".to_owned());
        TemplateDraft { path: "pl/otp/sms.hbs".to_owned(), text: Some(text.to_owned()), base }
    }

    fn submitted() -> TemplateChange {
        let mut change = change();
        change.submit("author", "shorter", NOW).unwrap();
        change
    }

    fn approved() -> TemplateChange {
        let mut change = submitted();
        change.approve("approver", change.content_hash(), "", NOW).unwrap();
        change
    }

    #[test]
    fn none_of_the_authors_can_approve() {
        let mut change = submitted();
        change.edit("second author", draft("{{otp}} third"), NOW).unwrap();
        change.submit("third author", "shorter", NOW).unwrap();

        for author in ["author", "second author", "third author"] {
            assert_eq!(change.approve(author, change.content_hash(), "", NOW), Err(ChangeError::OwnChange(7)));
        }
        assert_eq!(change.approve("approver", change.content_hash(), "fine", NOW), Ok(()));
        assert_eq!((change.reviewer.as_deref(), change.comment.as_deref()), (Some("approver"), Some("fine")));
    }

    #[test]
    fn an_edit_makes_an_approval_void() {
        let mut change = approved();
        let approved = change.content_hash();

        change.edit("author", draft("{{otp}} other"), NOW).unwrap();
        assert_eq!((change.state, &change.reviewer), (ChangeState::Draft, &None));
        assert!(matches!(change.publish("approver", NOW), Err(ChangeError::State { .. })));
        change.submit("author", "shorter", NOW).unwrap();

        assert_eq!(change.approve("approver", approved, "", NOW), Err(ChangeError::Edited(7)));
    }

    #[test]
    fn each_step_is_taken_once_and_in_its_order() {
        let mut change = change();
        let hash = change.content_hash();
        assert!(matches!(change.approve("approver", hash, "", NOW), Err(ChangeError::State { .. })));
        assert!(change.submit("author", " \n ", NOW).unwrap_err().is_about_input());
        change.submit("author", "shorter", NOW).unwrap();
        assert!(matches!(change.submit("author", "again", NOW), Err(ChangeError::State { .. })));
        change.approve("approver", hash, "", NOW).unwrap();
        assert!(matches!(change.approve("second author", hash, "", NOW), Err(ChangeError::State { .. })));
        assert!(change.schedule("approver", NOW, NOW).unwrap_err().is_about_input());
        change.publish("approver", NOW).unwrap();

        assert!(change.publish("approver", NOW).is_err() && change.withdraw(NOW).is_err());
        assert!(
            change.edit("author", draft("late"), NOW).is_err() && change.reject("second author", "no", NOW).is_err()
        );
    }

    #[test]
    fn a_change_without_drafts_cannot_be_submitted_or_published() {
        let mut change = change();
        change.drop_draft("author", "pl/otp/sms.hbs", NOW).unwrap();

        assert!(change.submit("author", "nothing", NOW).unwrap_err().is_about_input());
        assert!(change.publish_unapproved("approver", "now", NOW).unwrap_err().is_about_input());
    }

    #[test]
    fn what_was_published_without_approval_is_reviewed_afterwards_by_somebody_else() {
        let mut change = submitted();
        change.publish_unapproved("operator", "a wrong phone number is live", NOW).unwrap();
        let hash = change.content_hash();

        assert!(change.is_unreviewed());
        assert_eq!(change.approve("operator", hash, "", NOW), Err(ChangeError::OwnChange(7)));
        assert_eq!(change.approve("approver", hash, "", NOW), Ok(()));
        assert!(!change.is_unreviewed() && change.state == ChangeState::Published);
    }

    #[test]
    fn a_failed_publication_goes_back_to_the_reviewers() {
        let mut change = approved();
        change.schedule("approver", Timestamp::from_micros(2_000_000), NOW).unwrap();

        change.fail("the live text has changed", NOW);

        assert_eq!((change.state, &change.publish_at, &change.reviewer), (ChangeState::Submitted, &None, &None));
        assert!(change.problem.is_some());
    }

    #[test]
    fn drafts_that_differ_in_any_field_have_another_hash() {
        let one = change();
        let mut others = [one.clone(), one.clone(), one.clone()];
        others[0].drafts[0].text = None;
        others[1].drafts[0].base = None;
        others[2].drafts[0].path = "pl/otp/push.body.hbs".to_owned();

        assert!(others.iter().all(|other| other.content_hash() != one.content_hash()));
        assert_ne!(ContentHash::of_text(None), ContentHash::of_text(Some("")));
    }
}
