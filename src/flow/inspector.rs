//! Answers what operators ask a running gateway: how its providers do, and how a recipient would be notified now.
//!
//! It changes nothing. Its answers name no contact in full and no identifier.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::delivery_setup::{DeliverySetup, LiveSetup};
use super::explain::{ExplainRequest, ExplainTarget, ExplainedRecipient, Explainer, RecipientExplanation};
use super::providers::registry::ProviderRegistry;
use super::providers::report::ProviderReport;
use super::worker::Worker;
use crate::domain::chain;
use crate::domain::clock::Clocks;
use crate::domain::provider_profile::ProviderProfile;
use crate::render::LiveTemplates;
use crate::store::{Error, Store};

/// A question to a running gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// How do the providers do?
    Providers,
    /// How would a recipient be notified?
    Explain(ExplainRequest),
    /// Which configuration is in use?
    Config,
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// In the order of the configuration that the gateway uses.
    Providers { providers: Vec<ProviderReport>, paused: bool },
    /// No recipient has the identifier if the list is empty.
    Explained { recipients: Vec<RecipientExplanation> },
    /// The values of the file that were loaded last, without secrets, and the changes that wait for a restart.
    Config { values: BTreeMap<String, String>, pending: Vec<String> },
    /// The question cannot be answered.
    Refused { reason: String },
}

/// What the answers are made of.
pub struct Inspector {
    pub store: Arc<Store>,
    pub registry: Arc<ProviderRegistry>,
    pub setup: Arc<LiveSetup>,
    pub templates: Arc<LiveTemplates>,
    pub clocks: Clocks,
    pub worker: Arc<Worker>,
    /// What [`Question::Config`] asks for.
    pub config: Box<dyn Fn() -> Answer + Send + Sync>,
}

impl Inspector {
    /// The plans, limits and providers in use.
    pub fn setup(&self) -> Arc<DeliverySetup> {
        self.setup.current()
    }

    /// Answers a question.
    pub async fn answer(&self, question: Question) -> Answer {
        let answer = match question {
            Question::Providers => self.providers().await,
            Question::Explain(request) => self.explain(request).await,
            Question::Config => Ok((self.config)()),
        };
        answer.unwrap_or_else(|error| Answer::Refused { reason: chain(&error) })
    }

    async fn providers(&self) -> Result<Answer, Error> {
        let drains = self.store.providers().drains().await?;
        let (table, now) = (self.registry.snapshot(), self.clocks.steady.now());
        let (states, missing) = (self.registry.states(), self.registry.receipts_missing());
        let report = |profile: &ProviderProfile| {
            let drain = drains.iter().find(|drain| drain.provider == profile.provider);
            let mut report = ProviderReport::configured(profile).with_drain(drain);
            if let Some(state) = states.iter().find(|state| state.provider == profile.provider) {
                report = report.with_state(state);
            }
            let missing = missing.iter().find(|(provider, _)| *provider == profile.provider).map(|(_, share)| *share);
            report = report.with_answers(self.registry.last_accepted(&profile.provider), missing);
            if let Some(entry) = table.entry(&profile.provider) {
                report = report.with_entry(entry, now);
            }
            report
        };
        Ok(Answer::Providers {
            providers: self.setup().profiles.iter().map(report).collect(),
            paused: self.worker.is_paused(),
        })
    }

    async fn explain(&self, request: ExplainRequest) -> Result<Answer, Error> {
        let refused = |reason: String| Ok(Answer::Refused { reason });
        let setup = self.setup();
        let Some(plan) = setup.policy.plans.of(request.kind) else {
            return refused(format!("there is no plan for {}", request.kind));
        };
        let renderer = self.templates.current();
        let recipients = match request.target {
            ExplainTarget::Contact { channel, contact, locale } => {
                let locale = locale.unwrap_or_else(|| renderer.default_locale().clone());
                match ExplainedRecipient::with_contact(channel, &contact, locale) {
                    Ok(recipient) => vec![recipient],
                    Err(error) => return refused(error.to_string()),
                }
            }
            ExplainTarget::Identifier(identifier) => {
                let found = self.store.recipients().find(&identifier).await?;
                found.into_iter().map(ExplainedRecipient::from).collect()
            }
        };
        let providers = self.registry.snapshot();
        let explainer = Explainer {
            limits: &setup.policy.limits,
            profiles: &setup.profiles,
            providers: &providers,
            zone: renderer.time_zone(),
            paused: self.worker.is_paused(),
            now: self.clocks.steady.now(),
        };
        let at = request.at.unwrap_or_else(|| self.clocks.wall.now());
        Ok(Answer::Explained { recipients: explainer.explain(plan, &recipients, at) })
    }
}
