//! What a gateway is built of, as far as it needs neither the database nor a port nor templates.

use std::fs;
use std::sync::Arc;

use super::{Error, environment};
use crate::channel::{self, Adapter};
use crate::config::Config;
use crate::console;
use crate::domain::clock::Clocks;
use crate::domain::notification::Kind;
use crate::flow::delivery_setup::LiveSetup;
use crate::flow::limits::SendLimits;
use crate::flow::single_sign_on::SingleSignOn;
use crate::flow::tasks::notary::mail::CheckpointMail;
use crate::flow::tasks::notary::timestamp::TimestampAuthority;
use crate::flow::tasks::status_events;
use crate::flow::users::Users;
use crate::route::{Plan, Plans, ProviderProfile};
use crate::store::Store;
use crate::telemetry;

/// The parts that can be built without opening the database or a port.
pub struct Parts {
    pub(super) plans: Plans,
    limits: SendLimits,
    profiles: Vec<ProviderProfile>,
}

/// A provider with its adapter, and what these were made of.
#[derive(Clone)]
pub(super) struct ConnectedProvider {
    pub(super) profile: ProviderProfile,
    pub(super) kind: &'static str,
    pub(super) adapter: Adapter,
    /// A hash of its section, with the secrets.
    pub(super) values: [u8; 32],
    /// A hash of the file of certificates that it trusts, if it names one.
    pub(super) ca: Option<[u8; 32]>,
}

/// Everything that a configuration makes of a gateway without files and addresses of listeners, and without templates.
pub(super) struct Built {
    pub(super) parts: Parts,
    pub(super) providers: Vec<ConnectedProvider>,
}

/// Builds what a gateway needs of its values. Fails for each value that a start refuses. `connected` are providers that are
/// kept, with their connections, if nothing about them has changed. It contacts no provider.
pub(super) fn build(config: &Config, connected: &[ConnectedProvider]) -> Result<Built, Error> {
    environment::check(config)?;
    telemetry::check(&config.log)?;
    let parts = Parts::assemble(config)?;
    let providers = config.provider.iter().map(|settings| connect(settings, config, connected));
    let providers = providers.collect::<Result<_, _>>()?;
    TimestampAuthority::configured(&config.audit.timestamp).map_err(Error::Audit)?;
    CheckpointMail::check(&config.audit.mail, parts.profiles.iter()).map_err(Error::Audit)?;
    status_events::configured(&config.events).map_err(Error::Events)?;
    Ok(Built { parts, providers })
}

fn connect(
    settings: &channel::Settings,
    config: &Config,
    connected: &[ConnectedProvider],
) -> Result<ConnectedProvider, Error> {
    let profile = settings.profile().clone();
    let values = config.written.hash_under(&format!("provider[{}]", settings.name()));
    let ca = settings.common.ca.as_ref().and_then(|file| fs::read(file).ok()).map(|pem| openssl::sha::sha256(&pem));
    let is_same =
        |it: &&ConnectedProvider| it.profile.provider == profile.provider && it.values == values && it.ca == ca;
    let kept = connected.iter().find(is_same).map(|it| it.adapter.clone());
    let adapter = kept.map_or_else(|| settings.connect(), Ok)?;
    Ok(ConnectedProvider { profile, kind: settings.kind(), adapter, values, ca })
}

/// Where checkpoints of the audit log go, besides the log and folders.
pub(super) fn publishers(
    config: &Config,
    setup: &Arc<LiveSetup>,
) -> Result<(Option<TimestampAuthority>, Option<CheckpointMail>), Error> {
    let authority = TimestampAuthority::configured(&config.audit.timestamp).map_err(Error::Audit)?;
    Ok((authority, CheckpointMail::configured(&config.audit.mail, setup).map_err(Error::Audit)?))
}

/// The users of the console, who verify their addresses through an e-mail provider of `setup`.
pub(super) fn users_of(config: &Config, setup: &Arc<LiveSetup>, store: &Arc<Store>, clocks: &Clocks) -> Arc<Users> {
    let (lifetime, second_factor) = (config.console.lifetime(), config.console.second_factor);
    let users = Users::new(Arc::clone(store), Arc::clone(&clocks.wall), lifetime, second_factor);
    Arc::new(users.with_mail(Arc::clone(setup)).with_passkeys(&config.console.public_url))
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
        let limits = SendLimits::new(config.limits.clone());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_built_anew_when_the_file_of_its_secret_has_changed_and_kept_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let (path, secret) = (folder.path().join("otpost.toml"), folder.path().join("token"));
        let provider = "[[provider]]\nname = \"sms\"\nkind = \"smsapi\"\ntoken = \"file:token\"\n";
        fs::write(&path, provider).unwrap();
        fs::write(&secret, "t-1").unwrap();
        let built = |before: &[ConnectedProvider]| build(&Config::load(&path).unwrap(), before).unwrap().providers;
        let is_kept = |before: &[ConnectedProvider], after: &[ConnectedProvider]| {
            Arc::ptr_eq(&before[0].adapter.provider, &after[0].adapter.provider)
        };

        let first = built(&[]);
        let same = built(&first);
        fs::write(&secret, "t-2").unwrap();
        let renewed = built(&same);

        assert!(is_kept(&first, &same));
        assert!(!is_kept(&same, &renewed));
    }
}
