//! Builds a gateway from its configuration, starts it and stops it gracefully. It decides nothing else.

pub mod environment;
mod reload;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::channel::{self, HttpProvider};
use crate::config::{self, Config, ConfigValues};
use crate::domain::chain;
use crate::domain::clock::Clocks;
use crate::domain::delivery::ProviderName;
use crate::domain::notification::Kind;
use crate::flow::audit::AuditLog;
use crate::flow::dispatch::{ConfiguredProvider, Dispatch, DispatchPolicy};
use crate::flow::intake::Intake;
use crate::flow::limits::SendLimits;
use crate::flow::receipts::Receipts;
use crate::flow::tasks::certificate_expiry::{self, ExpiryMonitor};
use crate::flow::tasks::cleanup;
use crate::flow::tasks::clock_monitor;
use crate::flow::tasks::notary;
use crate::flow::tasks::template_reload::TemplateReloader;
use crate::flow::worker::Worker;
use crate::ingest::{self, Listener};
use crate::ops::GatewayStatus;
use crate::receipts;
use crate::render::{self, LiveTemplates, Renderer};
use crate::route::{self, Plan, Plans, ProviderProfile};
use crate::store::{self, OpenMode, Store};
use crate::telemetry;

/// How long deliveries in flight may take after a stop was requested: one attempt and its settlement.
const DRAIN: Duration = Duration::from_secs(9);

/// Logged when delivery is paused, at the start or by a reload.
const PAUSED: &str = "delivery is paused: accepted notifications wait, and expire unless it is resumed in time";

/// How long the ingest listener may take to write its last rejections to the audit log.
const AUDIT_FLUSH: Duration = Duration::from_secs(1);

/// Why a gateway cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A plan is invalid.
    #[error(transparent)]
    Plan(#[from] route::Error),
    /// The templates are invalid.
    #[error(transparent)]
    Render(#[from] render::Error),
    /// A provider cannot be connected.
    #[error(transparent)]
    Provider(#[from] channel::Error),
    #[error("provider {0}: duplicate name")]
    DuplicateProvider(ProviderName),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The log level is invalid.
    #[error(transparent)]
    Log(#[from] telemetry::Error),
    /// The environment forbids the configuration.
    #[error(transparent)]
    Environment(#[from] environment::Error),
    /// The ingest listener cannot be started.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
    /// The receipts listener cannot be started.
    #[error(transparent)]
    Receipts(#[from] receipts::Error),
    /// The configuration cannot be read.
    #[error(transparent)]
    Config(#[from] config::Error),
}

/// A running gateway.
pub struct Gateway {
    listener: Listener,
    receipt_listener: Option<receipts::ReceiptListener>,
    expiry: Arc<ExpiryMonitor>,
    clocks: Clocks,
    audit: notary::Settings,
    store: Arc<Store>,
    worker: Arc<Worker>,
    audit_log: AuditLog,
    template_reloader: Arc<TemplateReloader>,
    started_with: ConfigValues,
    /// The changes that need a restart, as they were last logged.
    pending: Mutex<Vec<String>>,
    serving: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

/// The parts that can be built without opening the database or a port.
pub struct Parts {
    plans: Plans,
    limits: SendLimits,
    templates: LiveTemplates,
    profiles: Vec<ProviderProfile>,
}

/// Adapters, and the parsers of receipts.
type ConnectedProviders = (Vec<ConfiguredProvider>, HashMap<ProviderName, Arc<dyn HttpProvider>>);

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

/// Checks the values that a start would refuse, without files and addresses of listeners and without templates.
fn validate(config: &Config) -> Result<(), Error> {
    environment::check(config)?;
    telemetry::check(&config.log)?;
    Plans::new(config.plan.clone())?;
    unique_profiles(&config.provider)?;
    connect(&config.provider)?;
    Ok(())
}

impl Parts {
    /// Loads templates, plans and providers. It needs no secrets.
    pub fn assemble(config: &Config) -> Result<Self, Error> {
        let plans = Plans::new(config.plan.clone())?;
        let limits = SendLimits::new(config.limits.clone());
        let templates = LiveTemplates::open(&config.templates)?;
        Ok(Self { plans, limits, templates, profiles: unique_profiles(&config.provider)? })
    }

    /// The renderer of the templates that were loaded.
    pub fn renderer(&self) -> Arc<Renderer> {
        self.templates.current()
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

fn listen_for_receipts(
    settings: &receipts::Settings,
    receipts: &Arc<Receipts>,
    expiry: &Arc<ExpiryMonitor>,
) -> Result<Option<(receipts::ReceiptListener, JoinHandle<()>)>, Error> {
    if !settings.is_open() {
        return Ok(None);
    }
    let (listener, serving) = receipts::listen(settings, Arc::clone(receipts), Arc::clone(expiry))?;
    tracing::info!(receipts = %listener.address, "receipts listener started");
    let serving = tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(error = chain(&error), "receipts listener stopped unexpectedly");
        }
    });
    Ok(Some((listener, serving)))
}

impl Gateway {
    /// Opens the database and the listeners, and starts to work. Deliveries that a crash left behind resume at once.
    pub async fn start(config: &Config, clocks: Clocks) -> Result<Self, Error> {
        validate(config)?;
        for provider in environment::unencrypted_providers(config) {
            tracing::warn!("{provider}; codes can be read on the way");
        }
        let clock = Arc::clone(&clocks.steady);
        let Parts { plans, limits, templates, profiles: _ } = Parts::assemble(config)?;
        let (routes, readers) = connect(&config.provider)?;
        let store = Arc::new(Store::open(&config.store, &config.seal, OpenMode::Gateway, Arc::clone(&clock)).await?);
        let left = store.resume().await?;
        if left > 0 {
            tracing::warn!(left, "deliveries were in flight when the last process ended; they are resumed");
        }
        let (plans, templates) = (Arc::new(plans), Arc::new(templates));
        let template_reloader =
            TemplateReloader::begin(Arc::clone(&templates), Arc::clone(&store), Arc::clone(&clock)).await?;
        let template_reloader = Arc::new(template_reloader);
        let policy = DispatchPolicy {
            recipients: config.recipients.clone(),
            plans: Arc::clone(&plans),
            max_age: config.delivery.max_age,
            limits,
        };
        let dispatch = Dispatch::new(Arc::clone(&store), templates, policy, routes, Arc::clone(&clock));
        let registry = Arc::clone(dispatch.registry());
        registry.load_history().await?;
        registry.refresh().await?;
        let receipts = Receipts::new(Arc::clone(&store), readers, Arc::clone(&registry), clocks.clone());
        let (receipts, ended) = (Arc::new(receipts), dispatch.ended());
        if config.delivery.paused {
            tracing::warn!("{PAUSED}");
        }
        let worker = Worker::new(&config.delivery, dispatch, Arc::clone(&store), Arc::clone(&clock), Handle::current());
        let intake = Intake::new(Arc::clone(&store), Arc::clone(&worker), Arc::clone(&plans), Arc::clone(&clock));
        let audit_log = AuditLog::new(Arc::clone(&store), Arc::clone(&clock));
        let expiry = Arc::<ExpiryMonitor>::default();
        let (listener, serving) =
            ingest::listen(&config.ingest, intake, audit_log.clone(), Arc::clone(&expiry), clocks.clone())?;
        let (receipt_listener, serving_receipts) = listen_for_receipts(&config.receipts, &receipts, &expiry)?.unzip();
        let (wall_clock, signed_with) = (Arc::clone(&clocks.wall), clocks.clone());
        let longest_life = plans.ttl(Kind::Otp);
        let serving = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(error = chain(&error), "ingest listener stopped unexpectedly");
            }
        });
        let mut tasks = vec![
            tokio::spawn(Arc::clone(&worker).run()),
            tokio::spawn(Arc::clone(&registry).run()),
            tokio::spawn(receipts.run(ended)),
            tokio::spawn(Arc::clone(&template_reloader).run()),
            tokio::spawn(clock_monitor::run(Arc::clone(&store), clocks.clone())),
            tokio::spawn(notary::run(Arc::clone(&store), clocks, config.audit.clone())),
            tokio::spawn(certificate_expiry::run(Arc::clone(&expiry), Arc::clone(&wall_clock))),
            tokio::spawn(cleanup::run(Arc::clone(&store), clock, config.retention, longest_life)),
        ];
        tasks.extend(serving_receipts);
        tracing::info!(listen = %listener.address, "ready");
        metrics::gauge!("otpost_reload_failed").set(0.0);
        let started_with = config.written.clone();
        Ok(Self {
            listener,
            receipt_listener,
            expiry,
            clocks: signed_with,
            audit: config.audit.clone(),
            store,
            worker,
            audit_log,
            template_reloader,
            started_with,
            pending: Mutex::default(),
            serving,
            tasks,
        })
    }

    /// Reloads templates at once. Otherwise they are reloaded when they have changed.
    pub fn reload_templates(&self) {
        self.template_reloader.reload_now();
    }

    /// The address of the ingest listener.
    pub fn address(&self) -> std::net::SocketAddr {
        self.listener.address
    }

    /// The address for the trusted proxy, if it connects over TLS.
    pub fn proxy_address(&self) -> Option<std::net::SocketAddr> {
        self.listener.proxy_address
    }

    /// The address of the receipts listener, if there is one.
    pub fn receipts_address(&self) -> Option<std::net::SocketAddr> {
        self.receipt_listener.as_ref().map(|listener| listener.address)
    }

    /// The store, for reading.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The worker, which knows whether deliveries are in flight.
    pub fn worker(&self) -> &Arc<Worker> {
        &self.worker
    }

    /// What the ops listener shows of this gateway.
    pub fn status(&self, metrics: Box<dyn Fn() -> String + Send + Sync>) -> GatewayStatus {
        let (store, worker) = (Arc::clone(&self.store), Arc::clone(&self.worker));
        let reason = move || worker.not_ready_reason().or_else(|| store.not_ready_reason());
        GatewayStatus { metrics, not_ready_reason: Box::new(reason) }
    }

    /// Resolves with the reason when the gateway cannot continue and must stop.
    pub async fn failed(&self) -> String {
        self.store.failed().await
    }

    /// Stops accepting, finishes deliveries in flight, releases the leases of those that take too long, and closes. Returns
    /// how many were released: the next process resumes them at once.
    pub async fn stop(self) -> Result<usize, Error> {
        self.worker.begin_drain();
        self.listener.stop().await;
        let released = self.worker.drain(DRAIN).await?;
        // It still writes its last rejections.
        let _ = tokio::time::timeout(AUDIT_FLUSH, self.serving).await;
        if let Some(listener) = &self.receipt_listener {
            listener.stop().await;
        }
        self.tasks.iter().for_each(JoinHandle::abort);
        // Every task has ended before the database closes.
        for task in self.tasks {
            let _ = task.await;
        }
        notary::finish(&self.store, &self.clocks, &self.audit).await;
        self.store.close().await?;
        tracing::info!(released, "stopped");
        Ok(released)
    }
}
