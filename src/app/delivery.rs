//! The delivering part of a gateway, and how other plans, limits and providers replace those in use.
//!
//! Everything that can fail is done before anything is replaced. Then the readers of receipts come first, the provider
//! registry second and the setup last: nothing is sent through a provider that these do not know.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::parts::{Built, ConnectedProvider, Parts};
use super::{Error, metrics_at_zero};
use crate::config::{Config, ConfigValues};
use crate::domain::clock::Clocks;
use crate::domain::delivery::ProviderName;
use crate::domain::provider_profile::ProviderProfile;
use crate::flow::delivery_setup::{ConfiguredProvider, DeliverySetup, DispatchPolicy, LiveSetup};
use crate::flow::dispatch::Dispatch;
use crate::flow::limits::SendLimits;
use crate::flow::providers::registry::{ProviderRegistry, StoredFacts};
use crate::flow::receipts::{ReceiptSources, Receipts};
use crate::flow::worker::Worker;
use crate::render::LiveTemplates;
use crate::store::{self, Store};

/// Sections and keys of the configuration that are replaced while the gateway runs.
const REPLACED: [&str; 5] = ["provider", "plan", "limits", "recipients", "delivery.max_age"];

/// What delivers.
pub(super) struct Delivery {
    pub(super) setup: Arc<LiveSetup>,
    pub(super) registry: Arc<ProviderRegistry>,
    pub(super) receipts: Arc<Receipts>,
    pub(super) worker: Arc<Worker>,
    /// Notifies its waiters each time the run of a delivery has ended.
    pub(super) ended: Arc<Notify>,
    used: Mutex<UsedConfig>,
}

/// What the setup in use was made of.
struct UsedConfig {
    values: ConfigValues,
    /// The values that may be shown.
    shown: BTreeMap<String, String>,
    providers: Vec<ConnectedProvider>,
}

impl UsedConfig {
    fn of(config: &Config, providers: Vec<ConnectedProvider>) -> Self {
        let shown = config.values().into_iter().filter(|it| Delivery::replaces(&it.key));
        let shown = shown.filter_map(|it| Some((it.key, it.shown?))).collect();
        Self { values: config.written.clone(), shown, providers }
    }
}

/// What a replacement has changed.
pub(super) struct Replaced {
    /// The number of the new version.
    pub(super) version: u64,
    /// In words, without secrets.
    pub(super) changes: Vec<String>,
}

impl Delivery {
    /// Builds it and reads what the database knows of the providers.
    pub(super) async fn start(
        config: &Config,
        built: Built,
        templates: Arc<LiveTemplates>,
        store: Arc<Store>,
        clocks: &Clocks,
    ) -> Result<Self, Error> {
        let Built { parts, providers } = built;
        let policy = policy(config, parts, SendLimits::new);
        let setup = Arc::new(LiveSetup::new(DeliverySetup::new(policy, adapters(&providers))));
        let dispatch = Dispatch::new(Arc::clone(&store), templates, Arc::clone(&setup), clocks.clone());
        let (registry, ended) = (Arc::clone(dispatch.registry()), dispatch.ended());
        registry.load_history().await?;
        registry.refresh().await?;
        let receipts = Receipts::new(Arc::clone(&store), sources(&providers), Arc::clone(&registry), clocks.clone());
        let worker = Worker::new(&config.delivery, dispatch, store, Arc::clone(&clocks.steady), Handle::current());
        let used = Mutex::new(UsedConfig::of(config, providers));
        Ok(Self { setup, registry, receipts: Arc::new(receipts), worker, ended, used })
    }

    /// Whether a change of this key is used without a restart.
    pub(super) fn replaces(key: &str) -> bool {
        REPLACED.iter().any(|section| {
            key.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    /// The providers in use. Those that a new configuration does not change are kept with their connections.
    pub(super) fn providers(&self) -> Vec<ConnectedProvider> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).providers.clone()
    }

    /// The values in use of `file`, with those of plans, limits and providers, without secrets.
    pub(super) fn values(&self, file: &Config) -> BTreeMap<String, String> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let of_file = file.values().into_iter().filter(|it| !Self::replaces(&it.key));
        let shown = of_file.filter_map(|it| Some((it.key, it.shown?)));
        shown.chain(used.shown.clone()).collect()
    }

    /// Reads what [`replace`](Self::replace) needs of the database.
    pub(super) async fn stored_facts(&self) -> Result<StoredFacts, store::Error> {
        self.registry.stored_facts().await
    }

    /// What `built` changes, in words, without secrets; empty if it is what is in use.
    pub(super) fn changes(&self, config: &Config, built: &Built) -> Vec<String> {
        changes(&self.used.lock().unwrap_or_else(PoisonError::into_inner), config, &built.providers)
    }

    /// Uses `built` from now on; `None` if it is what is in use. Deliveries in flight end with what they began with. The state
    /// of the providers that stay is kept, and so is what was counted for limits.
    pub(super) fn replace(&self, config: &Config, built: Built, stored: &StoredFacts) -> Option<Replaced> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = changes(&used, config, &built.providers);
        if changes.is_empty() {
            return None;
        }
        let Built { parts, providers } = built;
        let kinds = |of: &[ConnectedProvider]| -> BTreeMap<ProviderName, &'static str> {
            of.iter().map(|it| (it.profile.provider.clone(), it.kind)).collect()
        };
        let (before, after) = (kinds(&used.providers), kinds(&providers));
        let in_use = self.setup.current();
        let policy = policy(config, parts, |settings| in_use.policy.limits.continued(settings));
        let setup = DeliverySetup::new(policy, adapters(&providers));
        for added in providers.iter().filter(|it| !before.contains_key(&it.profile.provider)) {
            metrics_at_zero::provider(&added.profile, &config.limits.sms_countries, added.adapter.receipts.is_some());
        }
        self.receipts.replace(sources(&providers));
        self.registry.replace(&setup, stored, |name| before.get(name) == after.get(name));
        let version = self.setup.replace(setup);
        *used = UsedConfig::of(config, providers);
        Some(Replaced { version, changes })
    }
}

// A certificate that a provider trusts may have changed in its file, under the same key.
fn changes(used: &UsedConfig, config: &Config, providers: &[ConnectedProvider]) -> Vec<String> {
    let mut changes = used.values.changes(&config.written, Delivery::replaces);
    let of = |name: &ProviderName| used.providers.iter().find(|it| it.profile.provider == *name);
    for provider in providers {
        let name = &provider.profile.provider;
        if of(name).is_some_and(|before| before.values == provider.values && before.ca != provider.ca) {
            changes.push(format!("provider {name}: certificates in the file of ca changed"));
        }
    }
    changes
}

fn policy(
    config: &Config,
    parts: Parts,
    limits: impl FnOnce(crate::flow::limits::Settings) -> SendLimits,
) -> DispatchPolicy {
    DispatchPolicy {
        recipients: config.recipients.clone(),
        plans: parts.plans,
        max_age: config.delivery.max_age,
        limits: limits(config.limits.clone()),
    }
}

fn adapters(providers: &[ConnectedProvider]) -> Vec<ConfiguredProvider> {
    let configured =
        |it: &ConnectedProvider| -> (ProviderProfile, _) { (it.profile.clone(), Arc::clone(&it.adapter.provider)) };
    providers.iter().map(configured).collect()
}

fn sources(providers: &[ConnectedProvider]) -> ReceiptSources {
    let source = |it: &ConnectedProvider| Some((it.profile.provider.clone(), it.adapter.receipts.clone()?));
    providers.iter().filter_map(source).collect()
}
