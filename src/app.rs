//! Puts a gateway together from its configuration, starts it, and ends it in good order. It decides nothing else.

pub mod environment;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::channel::{self, receipt::ReceiptParser};
use crate::config::{self, Config, ConfigValues};
use crate::domain::chain;
use crate::domain::clock::Clocks;
use crate::domain::delivery::ProviderName;
use crate::domain::notification::Kind;
use crate::flow::audit::AuditLog;
use crate::flow::dispatch::{ConfiguredProvider, Dispatch, DispatchPolicy};
use crate::flow::intake::Intake;
use crate::flow::limits;
use crate::flow::limits::SendLimits;
use crate::flow::receipts::Receipts;
use crate::flow::tasks::cleanup;
use crate::flow::tasks::clock_monitor;
use crate::flow::tasks::template_reload::TemplateReloader;
use crate::flow::worker::Worker;
use crate::ingest::{self, Listener, Reloaded};
use crate::ops::GatewayStatus;
use crate::receipts;
use crate::render::{self, LiveTemplates, Renderer};
use crate::route::{self, Plan, Plans, ProviderProfile};
use crate::store::{self, Role, Store};

/// How long deliveries in hand may take once we were told to stop: one attempt and its settlement.
const DRAIN: Duration = Duration::from_secs(9);

/// How long the door may take to write down what it has not told yet.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why a gateway cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A plan is not one.
    #[error(transparent)]
    Plan(#[from] route::Error),
    /// A limit is not one.
    #[error(transparent)]
    SendLimits(#[from] limits::Error),
    /// The texts cannot be used.
    #[error(transparent)]
    Render(#[from] render::Error),
    /// A provider cannot be set up.
    #[error(transparent)]
    Provider(#[from] channel::Error),
    /// Two providers of one name.
    #[error("provider {0}: the name stands there twice")]
    SameName(String),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The profile forbids it.
    #[error(transparent)]
    CaEnvironment(#[from] environment::Error),
    /// The door cannot be opened.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
    /// The providers' door cannot be opened.
    #[error(transparent)]
    Receipts(#[from] receipts::Error),
    /// The configuration cannot be read.
    #[error(transparent)]
    Config(#[from] config::Error),
}

/// A gateway that runs.
pub struct Gateway {
    listener: Listener,
    providers: Option<receipts::ReceiptListener>,
    store: Arc<Store>,
    worker: Arc<Worker>,
    audit_log: AuditLog,
    template_reloader: Arc<TemplateReloader>,
    started_with: ConfigValues,
    serving: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

/// The parts that can be put together without opening the database or a port.
pub struct Parts {
    plans: Plans,
    guard: SendLimits,
    library: LiveTemplates,
    routes: Vec<ConfiguredProvider>,
    readers: HashMap<ProviderName, ReceiptParser>,
}

impl Parts {
    /// Reads texts, plans and providers.
    pub fn assemble(config: &Config) -> Result<Self, Error> {
        let plans = Plans::new(config.plan.clone())?;
        let guard = SendLimits::new(config.limits.clone())?;
        let library = LiveTemplates::open(&config.templates)?;
        let mut readers = HashMap::new();
        let mut routes: Vec<ConfiguredProvider> = Vec::with_capacity(config.provider.len());
        for (at, settings) in config.provider.iter().enumerate() {
            if config.provider[..at].iter().any(|other| other.name() == settings.name()) {
                return Err(Error::SameName(settings.name().to_owned()));
            }
            let profile = ProviderProfile {
                provider: ProviderName(settings.name().to_owned()),
                channel: settings.channel(),
                countries: settings.countries().to_vec(),
                deduplicates: settings.deduplicates(),
                weight: settings.weight(),
                min_validity: settings.min_validity(),
                price: settings.price(),
                spend_cap: settings.spend_cap(),
                transliterate: settings.transliterate(),
            };
            readers.extend(channel::hear(settings)?.map(|reader| (profile.provider.clone(), reader)));
            routes.push((profile, channel::connect(settings)?));
        }
        Ok(Self { plans, guard, library, routes, readers })
    }

    /// The texts.
    pub fn renderer(&self) -> Arc<Renderer> {
        self.library.now()
    }

    /// What is not sent although it could be.
    pub fn guard(&self) -> &SendLimits {
        &self.guard
    }

    /// The plans.
    pub fn plans(&self) -> &Plans {
        &self.plans
    }

    /// The providers in the order in which they are asked.
    pub fn profiles(&self) -> Vec<ProviderProfile> {
        self.routes.iter().map(|(profile, _)| profile.clone()).collect()
    }

    /// Kinds of news that no provider can tell anybody.
    pub fn untold(&self) -> Vec<Kind> {
        let served = |kind: &Kind| {
            let plan = self.plans.of(*kind);
            let mut channels = plan.into_iter().flat_map(Plan::channels);
            channels.any(|channel| self.routes.iter().any(|(profile, _)| profile.channel == channel))
        };
        Kind::ALL.into_iter().filter(|kind| !served(kind)).collect()
    }
}

fn open_for_providers(
    settings: &receipts::Settings,
    receipts: &Arc<Receipts>,
) -> Result<Option<(receipts::ReceiptListener, JoinHandle<()>)>, Error> {
    if !settings.is_open() {
        return Ok(None);
    }
    let (listener, serving) = receipts::listen(settings, Arc::clone(receipts))?;
    tracing::info!(receipts = %listener.address, "providers may report");
    let serving = tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(error = chain(&error), "the providers' door closed");
        }
    });
    Ok(Some((listener, serving)))
}

fn is_reloaded(key: &str) -> bool {
    let Some(key) = key.strip_prefix("ingest.") else { return false };
    let is_in =
        |section: &&str| key.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    ingest::Settings::RELOADED.iter().any(is_in)
}

impl Gateway {
    /// Opens database and door, and starts to work. What a crash left is taken up at once.
    pub async fn start(config: &Config, clocks: Clocks) -> Result<Self, Error> {
        environment::check(config)?;
        let clock = Arc::clone(&clocks.steady);
        let Parts { plans, guard, library, routes, readers } = Parts::assemble(config)?;
        let store = Arc::new(Store::open(&config.store, &config.seal, Role::Gateway, Arc::clone(&clock)).await?);
        let left = store.take_over().await?;
        if left > 0 {
            tracing::warn!(left, "deliveries were in hand when the last process ended; they are taken up now");
        }
        let (plans, library) = (Arc::new(plans), Arc::new(library));
        let template_reloader =
            TemplateReloader::begin(Arc::clone(&library), Arc::clone(&store), Arc::clone(&clock)).await?;
        let template_reloader = Arc::new(template_reloader);
        let rules = DispatchPolicy {
            recipients: config.recipients.clone(),
            plans: Arc::clone(&plans),
            max_age: config.delivery.max_age,
            guard,
        };
        let dispatch = Dispatch::new(Arc::clone(&store), library, rules, routes, Arc::clone(&clock), rand::random());
        let registry = Arc::clone(dispatch.registry());
        registry.recall().await?;
        registry.look().await?;
        let receipts = Receipts::new(Arc::clone(&store), readers, Arc::clone(&registry), clocks.clone());
        let (receipts, ended) = (Arc::new(receipts), dispatch.ended());
        if config.delivery.paused {
            tracing::warn!("delivery is paused: what is accepted waits, and expires when nobody lets it go in time");
        }
        let worker = Worker::new(&config.delivery, dispatch, Arc::clone(&store), Arc::clone(&clock), Handle::current());
        let intake = Intake::new(Arc::clone(&store), Arc::clone(&worker), Arc::clone(&plans), Arc::clone(&clock));
        let audit_log = AuditLog::new(Arc::clone(&store), Arc::clone(&clock));
        let (listener, serving) = ingest::listen(&config.ingest, intake, audit_log.clone(), clocks.clone())?;
        let (providers, taking) = open_for_providers(&config.receipts, &receipts)?.unzip();
        let longest_life = plans.ttl(Kind::Otp);
        let serving = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(error = chain(&error), "the door closed");
            }
        });
        let mut tasks = vec![
            tokio::spawn(Arc::clone(&worker).run()),
            tokio::spawn(Arc::clone(&registry).run()),
            tokio::spawn(receipts.run(ended)),
            tokio::spawn(Arc::clone(&template_reloader).run()),
            tokio::spawn(clock_monitor::run(Arc::clone(&store), clocks)),
            tokio::spawn(cleanup::run(Arc::clone(&store), clock, config.retention, longest_life)),
        ];
        tasks.extend(taking);
        tracing::info!(listen = %listener.address, "ready");
        metrics::gauge!("otpost_reload_failed").set(0.0);
        let started_with = config.written.clone();
        Ok(Self { listener, providers, store, worker, audit_log, template_reloader, started_with, serving, tasks })
    }

    /// Goes by what may change while running of a configuration that has been read anew, or could not be: the door's
    /// certificates, lists and clients. When anything of it is wrong all of the old stays, under alarm.
    pub async fn reload(&self, config: Result<Config, config::Error>) -> Result<(), Error> {
        // Whatever else learns to be reloaded is read here, before anything is exchanged.
        let reloaded = config.map_err(Error::from).and_then(|config| {
            environment::check(&config)?;
            Ok((self.listener.reload(&config.ingest)?, config))
        });
        metrics::gauge!("otpost_reload_failed").set(f64::from(u8::from(reloaded.is_err())));
        let outcome = if reloaded.is_ok() { "taken" } else { "failed" };
        metrics::counter!("otpost_reloads_total", "outcome" => outcome).increment(1);
        let (reloaded, config) = reloaded.inspect_err(|error| {
            tracing::error!(error = chain(error), "nothing was reloaded: the old files stay in force");
        })?;
        let Reloaded { subject, not_after, pins_added, pins_removed, .. } = &reloaded;
        tracing::info!(subject, %not_after, ?pins_added, ?pins_removed, "certificates, lists and clients were reloaded");
        let restart: Vec<_> = self.started_with.differences(&config.written).filter(|key| !is_reloaded(key)).collect();
        if !restart.is_empty() {
            tracing::warn!(keys = restart.join(" "), "these changed too, and need a restart");
        }
        self.audit_log.reloaded(reloaded.detail()).await;
        Ok(())
    }

    /// Has the texts read at once; otherwise they are when they have changed.
    pub fn reread_texts(&self) {
        self.template_reloader.hurry();
    }

    /// Where the processors' door listens.
    pub fn address(&self) -> std::net::SocketAddr {
        self.listener.address
    }

    /// Where a proxy gets in over TLS, if one may.
    pub fn proxy_address(&self) -> Option<std::net::SocketAddr> {
        self.listener.proxy_address
    }

    /// Where the providers' door listens, if there is one.
    pub fn receipts_address(&self) -> Option<std::net::SocketAddr> {
        self.providers.as_ref().map(|listener| listener.address)
    }

    /// The store, for reading.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The worker, for whoever must know when nothing is in hand.
    pub fn worker(&self) -> &Arc<Worker> {
        &self.worker
    }

    /// What the operators' door shows of this gateway.
    pub fn vitals(&self, metrics: Box<dyn Fn() -> String + Send + Sync>) -> GatewayStatus {
        let (store, worker) = (Arc::clone(&self.store), Arc::clone(&self.worker));
        GatewayStatus { metrics, hindrance: Box::new(move || worker.hindrance().or_else(|| store.hindrance())) }
    }

    /// Resolves when the gateway can no longer keep its word and must end.
    pub async fn failed(&self) -> String {
        self.store.failed().await
    }

    /// Stops accepting, finishes what is accepted, frees what cannot be finished in time, closes. Returns how many
    /// deliveries were freed: the next process takes them up at once.
    pub async fn stop(self) -> Result<usize, Error> {
        self.worker.begin_to_stop();
        self.listener.stop().await;
        let freed = self.worker.drain(DRAIN).await?;
        // It still writes down whom it has refused.
        let _ = tokio::time::timeout(LAST_WORDS, self.serving).await;
        if let Some(providers) = &self.providers {
            providers.stop().await;
        }
        self.tasks.iter().for_each(JoinHandle::abort);
        // None of them sees the database close, or the folder go that it lies in.
        for task in self.tasks {
            let _ = task.await;
        }
        self.store.close().await?;
        tracing::info!(freed, "stopped");
        Ok(freed)
    }
}
