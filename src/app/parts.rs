//! What a gateway is built of, as far as it needs neither the database nor a port nor templates.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Error, environment};
use crate::channel::{self, HttpProvider, Provider};
use crate::config::Config;
use crate::console;
use crate::domain::clock::Clocks;
use crate::domain::delivery::ProviderName;
use crate::domain::notification::Kind;
use crate::flow::dispatch::ConfiguredProvider;
use crate::flow::limits::SendLimits;
use crate::flow::single_sign_on::SingleSignOn;
use crate::flow::tasks::notary::mail::CheckpointMail;
use crate::flow::tasks::notary::timestamp::TimestampAuthority;
use crate::flow::users::Users;
use crate::route::{Plan, Plans, ProviderProfile};
use crate::store::Store;
use crate::telemetry;

/// The parts that can be built without opening the database or a port.
pub struct Parts {
    pub(super) plans: Plans,
    pub(super) limits: Arc<SendLimits>,
    profiles: Vec<ProviderProfile>,
}

/// Adapters, and the parsers of receipts.
pub(super) type ConnectedProviders = (Vec<ConfiguredProvider>, HashMap<ProviderName, Arc<dyn HttpProvider>>);

/// Builds the adapters. It needs the secrets of the providers, and contacts none.
fn connect(providers: &[channel::Settings]) -> Result<ConnectedProviders, Error> {
    let (mut routes, mut readers) = (Vec::with_capacity(providers.len()), HashMap::new());
    for settings in providers {
        let (profile, adapter) = (settings.profile().clone(), settings.connect()?);
        readers.extend(adapter.receipts.map(|receipts| (profile.provider.clone(), receipts)));
        routes.push((profile, adapter.provider));
    }
    Ok((routes, readers))
}

/// Builds what a gateway needs of its values, without files and addresses of listeners and without templates. Fails for each
/// value that a start refuses.
pub(super) fn build(config: &Config) -> Result<(Parts, ConnectedProviders), Error> {
    environment::check(config)?;
    telemetry::check(&config.log)?;
    let (parts, providers) = (Parts::assemble(config)?, connect(&config.provider)?);
    publishers(config, &providers.0)?;
    Ok((parts, providers))
}

/// Where checkpoints of the audit log go, besides the log and folders.
pub(super) fn publishers(
    config: &Config,
    providers: &[ConfiguredProvider],
) -> Result<(Option<TimestampAuthority>, Option<CheckpointMail>), Error> {
    let authority = TimestampAuthority::configured(&config.audit.timestamp).map_err(Error::Audit)?;
    Ok((authority, CheckpointMail::configured(&config.audit.mail, providers).map_err(Error::Audit)?))
}

/// The users of the console, who verify their addresses through this e-mail provider.
pub(super) fn users_of(
    config: &Config,
    mail: Option<Arc<dyn Provider>>,
    store: &Arc<Store>,
    clocks: &Clocks,
) -> Arc<Users> {
    let (lifetime, second_factor) = (config.console.lifetime(), config.console.second_factor);
    let users = Users::new(Arc::clone(store), Arc::clone(&clocks.wall), lifetime, second_factor);
    Arc::new(users.with_mail(mail).with_passkeys(&config.console.public_url))
}

/// The way to the identity provider of the console, if there is one.
pub(super) fn sign_on_of(config: &Config, store: &Arc<Store>, clocks: &Clocks) -> Result<Option<SingleSignOn>, Error> {
    let configured = SingleSignOn::configured(&config.console.oidc, config.console.redirect_uri(), store, clocks);
    configured.map_err(|error| Error::Console(console::Error::setting(error.key, error.what)))
}

fn unique_profiles(providers: &[channel::Settings]) -> Result<Vec<ProviderProfile>, Error> {
    let mut profiles: Vec<ProviderProfile> = Vec::with_capacity(providers.len());
    for profile in providers.iter().map(channel::Settings::profile) {
        if profiles.iter().any(|other| other.provider == profile.provider) {
            return Err(Error::DuplicateProvider(profile.provider.clone()));
        }
        profiles.push(profile.clone());
    }
    Ok(profiles)
}

impl Parts {
    /// Reads plans, limits and providers. It needs no secrets.
    pub fn assemble(config: &Config) -> Result<Self, Error> {
        let plans = Plans::new(config.plan.clone())?;
        let limits = Arc::new(SendLimits::new(config.limits.clone()));
        let profiles = unique_profiles(&config.provider)?;
        config.report.daily.check(&profiles)?;
        Ok(Self { plans, limits, profiles })
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
        self.profiles.clone()
    }

    /// Notification kinds that no provider serves.
    pub fn unserved_kinds(&self) -> Vec<Kind> {
        let served = |kind: &Kind| {
            let plan = self.plans.of(*kind);
            let mut channels = plan.into_iter().flat_map(Plan::channels);
            channels.any(|channel| self.profiles.iter().any(|profile| profile.channel == channel))
        };
        Kind::ALL.into_iter().filter(|kind| !served(kind)).collect()
    }
}
