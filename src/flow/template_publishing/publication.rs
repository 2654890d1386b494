//! Publishes changes of templates: now, at their time, or without an approval in an emergency.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::{ActingUser, Error, TemplatePublisher, source};
use crate::domain::access::Action;
use crate::domain::audit_event::{Actor, AuditKind};
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::domain::template_change::{ChangeState, TemplateChange};
use crate::flow::alarms::AlarmKind;
use crate::flow::review::{reviewed_event, written_meanwhile};
use crate::render::Renderer;

/// What another process publishes, and what is due, takes effect within this time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl TemplatePublisher {
    /// Publishes an approved change at once.
    pub async fn publish(&self, by: ActingUser<'_>, id: i64) -> Result<(), Error> {
        self.allow(by, Action::PublishTemplates)?;
        let mut change = self.review.change(id).await?;
        change.publish(by.name, self.clock.now())?;
        self.go_live(&change, by.actor()).await
    }

    /// Has an approved change published at a time.
    pub async fn schedule(&self, by: ActingUser<'_>, id: i64, at: Timestamp) -> Result<(), Error> {
        self.allow(by, Action::PublishTemplates)?;
        let (mut change, now) = (self.review.change(id).await?, self.clock.now());
        change.schedule(by.name, at, now)?;
        self.refuse_moved(&change)?;
        let event = reviewed_event(by.actor(), AuditKind::TemplateChangeScheduled, &change, now);
        self.review.write(change, event.with("publish_at", at.to_string())).await?;
        Ok(())
    }

    /// Publishes a change without an approval, because it cannot wait. An alarm lasts until it is reviewed.
    pub async fn publish_unapproved(&self, by: ActingUser<'_>, id: i64, reason: &str) -> Result<(), Error> {
        self.allow(by, Action::PublishUnapproved)?;
        if !self.settings.emergency_publish {
            return Err(Error::NoEmergency);
        }
        let mut change = self.review.change(id).await?;
        change.publish_unapproved(by.name, reason, self.clock.now())?;
        self.go_live(&change, by.actor()).await?;
        self.observe(&self.store.template_changes().waiting_changes().await?);
        Ok(())
    }

    // One transaction, and only then the renderer: a process that ends in between starts with what was committed.
    async fn go_live(&self, change: &TemplateChange, by: Actor) -> Result<(), Error> {
        let mut active = self.active.lock().await;
        self.catch_up(&mut active).await?;
        let renderer = self.compile(change).await?;
        let at = change.published_at.unwrap_or_else(|| self.clock.now());
        let event = reviewed_event(by, AuditKind::TemplateChangePublished, change, at);
        let published = self.store.publish_change(change, *active, renderer.snapshots(), event).await?;
        *active = published.ok_or_else(|| Error::Conflict(written_meanwhile(change.id)))?;
        self.activate(renderer);
        tracing::info!(change = change.id, texts = change.drafts.len(), "templates published");
        Ok(())
    }

    /// Publishes what is due, and activates what another process has published, until this process ends.
    pub async fn run(self: Arc<Self>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            looks.tick().await;
            let result = self.look().await;
            if let Err(error) = &result
                && !failing
            {
                tracing::error!(error = chain(error), "changes of templates cannot be read or published");
            }
            failing = result.is_err();
        }
    }

    async fn look(&self) -> Result<(), Error> {
        self.catch_up(&mut *self.active.lock().await).await?;
        let now = self.clock.now();
        let mut waiting = self.store.template_changes().waiting_changes().await?;
        let is_due = |change: &TemplateChange| change.publish_at.is_some_and(|at| at <= now);
        // The oldest first, in the order in which they were meant to go live.
        let due: Vec<_> = waiting.iter().rev().filter(|change| is_due(change)).cloned().collect();
        if !due.is_empty() {
            for change in due {
                self.publish_due(change).await?;
            }
            waiting = self.store.template_changes().waiting_changes().await?;
        }
        self.observe(&waiting);
        Ok(())
    }

    async fn publish_due(&self, mut change: TemplateChange) -> Result<(), Error> {
        let (scheduled, now) = (change.clone(), self.clock.now());
        let by = change.publisher.clone().unwrap_or_default();
        change.publish(&by, now)?;
        let by = Actor::User(by);
        let problem = match self.go_live(&change, by.clone()).await {
            Ok(()) => return Ok(()),
            // The database is tried again with the next look.
            Err(error @ Error::Store(_)) => return Err(error),
            Err(Error::Invalid(diagnostics)) => {
                diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            }
            Err(other) => other.to_string(),
        };
        tracing::error!(
            alarm = AlarmKind::TemplatePublishing.name(),
            change = change.id,
            error = problem,
            "a change of templates could not be published at its time"
        );
        let event = reviewed_event(by, AuditKind::TemplatePublishFailed, &scheduled, now);
        let mut failed = scheduled;
        failed.fail(&problem, now);
        self.review.write(failed, event.with("problem", problem)).await?;
        Ok(())
    }

    // Activates texts that another process has published.
    async fn catch_up(&self, active: &mut i64) -> Result<(), Error> {
        if self.store.template_changes().last_text().await? == *active {
            return Ok(());
        }
        let published = self.store.template_changes().published_texts().await?;
        let renderer = self.compile_set(source::set_of(&published, &self.settings)).await?;
        self.store.publish(renderer.snapshots()).await?;
        self.activate(renderer);
        *active = published.last;
        tracing::info!("templates reloaded that another process has published");
        Ok(())
    }

    fn activate(&self, renderer: Renderer) {
        self.published.store(Arc::clone(renderer.template_set()));
        self.live.replace(renderer);
        self.alarms.clear(AlarmKind::Templates);
    }

    // Alarms follow from what is stored, so that they outlive a restart.
    fn observe(&self, waiting: &[TemplateChange]) {
        let numbers = |is_meant: &dyn Fn(&&TemplateChange) -> bool| {
            let numbers: Vec<_> = waiting.iter().filter(is_meant).map(|change| change.id.to_string()).collect();
            numbers.join(", ")
        };
        let failed = numbers(&|change| change.state == ChangeState::Submitted && change.problem.is_some());
        let unapproved = numbers(&|change| change.is_unreviewed());
        for (alarm, numbers, text) in [
            (AlarmKind::TemplatePublishing, failed, "could not be published at its time, and waits for a review again"),
            (AlarmKind::UnapprovedTemplates, unapproved, "is live without an approval; an approver must review it"),
        ] {
            if numbers.is_empty() {
                self.alarms.clear(alarm);
            } else if self.alarms.raise(alarm, format!("change of templates {numbers}: {text}")) {
                tracing::warn!(alarm = alarm.name(), changes = numbers, "a change of templates {text}");
            }
        }
    }
}
