//! What a gateway is built of, as far as it needs neither the database nor a port nor templates.

use std::collections::HashMap;
use std::sync::Arc;

use super::Error;
use crate::channel::HttpProvider;
use crate::config::Config;
use crate::domain::delivery::ProviderName;
use crate::domain::notification::Kind;
use crate::flow::dispatch::ConfiguredProvider;
use crate::flow::limits::SendLimits;
use crate::route::{Plan, Plans, ProviderProfile};

/// The parts that can be built without opening the database or a port.
pub struct Parts {
    pub(super) plans: Plans,
    pub(super) limits: Arc<SendLimits>,
    pub(super) routes: Vec<ConfiguredProvider>,
    pub(super) readers: HashMap<ProviderName, Arc<dyn HttpProvider>>,
}

impl Parts {
    /// Reads plans, limits and providers.
    pub fn assemble(config: &Config) -> Result<Self, Error> {
        let plans = Plans::new(config.plan.clone())?;
        let limits = Arc::new(SendLimits::new(config.limits.clone()));
        let mut readers = HashMap::new();
        let mut routes: Vec<ConfiguredProvider> = Vec::with_capacity(config.provider.len());
        for settings in &config.provider {
            let profile = settings.profile().clone();
            if routes.iter().any(|(other, _)| other.provider == profile.provider) {
                return Err(Error::DuplicateProvider(profile.provider));
            }
            let adapter = settings.connect()?;
            readers.extend(adapter.receipts.map(|receipts| (profile.provider.clone(), receipts)));
            routes.push((profile, adapter.provider));
        }
        Ok(Self { plans, limits, routes, readers })
    }

    /// Rate limits and allowed countries.
    pub fn limits(&self) -> &SendLimits {
        &self.limits
    }

    /// The plans.
    pub fn plans(&self) -> &Plans {
        &self.plans
    }

    /// The providers in the order of the configuration.
    pub fn profiles(&self) -> Vec<ProviderProfile> {
        self.routes.iter().map(|(profile, _)| profile.clone()).collect()
    }

    /// Notification kinds that no provider serves.
    pub fn unserved_kinds(&self) -> Vec<Kind> {
        let served = |kind: &Kind| {
            let plan = self.plans.of(*kind);
            let mut channels = plan.into_iter().flat_map(Plan::channels);
            channels.any(|channel| self.routes.iter().any(|(profile, _)| profile.channel == channel))
        };
        Kind::ALL.into_iter().filter(|kind| !served(kind)).collect()
    }
}
