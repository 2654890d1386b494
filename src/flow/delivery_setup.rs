//! What deliveries are made with: the operator's rules and the providers, replaced together while the gateway runs.
//!
//! Who uses it reads it once for each piece of work, so that no delivery mixes two versions. What lives longer than a version
//! (circuits, spending, counters of rate limits) is with the provider registry and the limits.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::limits::SendLimits;
use super::recipients;
use crate::channel::Provider;
use crate::domain::contact::Channel;
use crate::domain::delivery::ProviderName;
use crate::domain::notification::Kind;
use crate::domain::provider_profile::ProviderProfile;
use crate::route::Plans;

/// The operator's rules for notifying recipients.
pub struct DispatchPolicy {
    /// Which identifiers name a recipient.
    pub recipients: recipients::Settings,
    /// Which channels are used for which kind of notification.
    pub plans: Plans,
    /// A card lock or unlock older than this on arrival is stored and not sent.
    pub max_age: Duration,
    /// Rate limits and allowed countries.
    pub limits: SendLimits,
}

/// A provider together with the data that routing needs.
pub type ConfiguredProvider = (ProviderProfile, Arc<dyn Provider>);

/// One version of the rules and the providers.
pub struct DeliverySetup {
    pub policy: DispatchPolicy,
    /// In order of preference within a channel.
    pub profiles: Vec<ProviderProfile>,
    adapters: HashMap<ProviderName, Arc<dyn Provider>>,
}

impl DeliverySetup {
    /// Sends through `providers`, which are in order of preference within a channel.
    pub fn new(policy: DispatchPolicy, providers: Vec<ConfiguredProvider>) -> Self {
        let (profiles, adapters) =
            providers.into_iter().map(|(profile, adapter)| (profile.clone(), (profile.provider, adapter))).unzip();
        Self { policy, profiles, adapters }
    }

    pub fn profile(&self, provider: &ProviderName) -> Option<&ProviderProfile> {
        self.profiles.iter().find(|profile| profile.provider == *provider)
    }

    pub fn adapter(&self, provider: &ProviderName) -> Option<&Arc<dyn Provider>> {
        self.adapters.get(provider)
    }

    /// The e-mail provider of this name.
    pub fn mail_provider(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        let profile = self.of_mail().find(|profile| profile.provider.0 == name)?;
        self.adapter(&profile.provider)
    }

    /// The e-mail provider that is tried first.
    pub fn first_mail_provider(&self) -> Option<&Arc<dyn Provider>> {
        self.adapter(&self.of_mail().next()?.provider)
    }

    fn of_mail(&self) -> impl Iterator<Item = &ProviderProfile> {
        self.profiles.iter().filter(|profile| profile.channel == Channel::Email)
    }
}

/// The version in use.
pub struct LiveSetup {
    current: ArcSwap<DeliverySetup>,
    version: AtomicU64,
    longest_otp_life_us: AtomicU64,
}

impl LiveSetup {
    /// The first version.
    pub fn new(setup: DeliverySetup) -> Self {
        let live = Self {
            longest_otp_life_us: AtomicU64::new(otp_life_us(&setup)),
            current: ArcSwap::from_pointee(setup),
            version: AtomicU64::new(1),
        };
        live.observe();
        live
    }

    /// The version in use now. Keep it for one piece of work and no longer.
    pub fn current(&self) -> Arc<DeliverySetup> {
        self.current.load_full()
    }

    /// Replaces the whole. Work that has begun ends with the version that it began with. Returns the new version's number.
    pub fn replace(&self, setup: DeliverySetup) -> u64 {
        self.longest_otp_life_us.fetch_max(otp_life_us(&setup), Ordering::Relaxed);
        self.current.store(Arc::new(setup));
        let version = self.version.fetch_add(1, Ordering::Relaxed) + 1;
        self.observe();
        version
    }

    /// The number of the version in use, 1 after a start.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// The longest time that a code may be needed: one accepted under an earlier version lives as long as that said.
    pub fn longest_otp_life(&self) -> Duration {
        Duration::from_micros(self.longest_otp_life_us.load(Ordering::Relaxed))
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of reloads is far below 2^52")]
    fn observe(&self) {
        metrics::gauge!("otpost_delivery_setup_version").set(self.version() as f64);
    }
}

fn otp_life_us(setup: &DeliverySetup) -> u64 {
    u64::try_from(setup.policy.plans.ttl(Kind::Otp).as_micros()).unwrap_or(u64::MAX)
}
