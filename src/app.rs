//! Builds a gateway from its configuration, starts it and stops it gracefully. It decides nothing else.

mod check;
mod delivery;
mod earlier_files;
pub mod environment;
mod error;
mod listeners;
mod metrics_at_zero;
mod parts;
mod reload;
mod routing;
mod stop;
mod tasks;
mod templates;
mod trust_error;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::task::JoinHandle;

use crate::config::{Config, ConfigValues};
use crate::console;
use crate::domain::clock::Clocks;
use crate::flow::alarms::Alarms;
use crate::flow::audit::AuditLog;
use crate::flow::inspector::{Answer, Inspector};
use crate::flow::pause::DeliveryPause;
use crate::flow::routing_publishing::{RoutingPublisher, RoutingSource};
use crate::flow::tasks::certificate_expiry::ExpiryMonitor;
use crate::flow::tasks::notary;
use crate::flow::template_publishing::TemplatePublisher;
use crate::flow::users::Users;
use crate::flow::worker::Worker;
use crate::ingest::Listener;
use crate::ops::GatewayStatus;
use crate::ops::hand_over::HandOver;
use crate::server::{HttpListener, ListenSockets};
use crate::store::{OpenMode, Store};
pub use check::check;
use delivery::Delivery;
use earlier_files::EarlierFiles;
pub use error::Error;
use listeners::{answer_questions, listen_for_console, listen_for_processors, listen_for_receipts};
pub use parts::Parts;
use parts::{build, sign_on_of, users_of};
use tasks::TaskParts;
use templates::Texts;

/// A running gateway.
pub struct Gateway {
    listener: Listener,
    receipt_listener: Option<HttpListener>,
    console: Option<HttpListener>,
    texts: Texts,
    expiry: Arc<ExpiryMonitor>,
    clocks: Clocks,
    audit: notary::Settings,
    store: Arc<Store>,
    delivery: Arc<Delivery>,
    routing: Arc<RoutingPublisher>,
    pause: Arc<DeliveryPause>,
    loaded: LoadedConfig,
    audit_log: AuditLog,
    alarms: Arc<Alarms>,
    earlier_files: EarlierFiles,
    sockets: Arc<ListenSockets>,
    hand_over: Arc<HandOver>,
    started_with: ConfigValues,
    serving: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

/// The configuration that is in use.
struct LoadedConfig {
    /// The file as it was read last.
    file: Arc<ArcSwap<Config>>,
    /// The changes that need a restart, as they were last logged.
    pending: Arc<Mutex<Vec<String>>>,
}

impl LoadedConfig {
    fn question(&self, delivery: &Arc<Delivery>) -> Box<dyn Fn() -> Answer + Send + Sync> {
        let (file, delivery, pending) = (Arc::clone(&self.file), Arc::clone(delivery), Arc::clone(&self.pending));
        Box::new(move || {
            let pending = pending.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Answer::Config { values: delivery.values(&file.load()), pending }
        })
    }
}

fn inspector(base: &Base, delivery: &Arc<Delivery>, texts: &Texts, loaded: &LoadedConfig) -> Inspector {
    Inspector {
        store: Arc::clone(&base.store),
        registry: Arc::clone(&delivery.registry),
        setup: Arc::clone(&delivery.setup),
        templates: Arc::clone(&texts.live),
        clocks: base.clocks.clone(),
        worker: Arc::clone(&delivery.worker),
        config: loaded.question(delivery),
    }
}

fn console_parts(
    config: &Config,
    base: &Base,
    (inspector, texts, routing): (&Arc<Inspector>, &Texts, &Arc<RoutingPublisher>),
    users: &Arc<Users>,
) -> Result<console::ConsoleParts, Error> {
    Ok(console::ConsoleParts {
        store: Arc::clone(&base.store),
        inspector: Arc::clone(inspector),
        alarms: Arc::clone(&base.alarms),
        templates: Arc::clone(&texts.publisher),
        routing: Arc::clone(routing),
        clocks: base.clocks.clone(),
        users: Arc::clone(users),
        sign_on: sign_on_of(config, &base.store, &base.clocks)?,
        dossiers: config.dossiers(),
        daily_reports: config.report.daily.clone(),
        encryption_keys: config.ingest.encryption_keys.clone(),
        export_folder: config.store.local_path()?.parent().map(|it| Path::new(".").join(it)).unwrap_or_default(),
    })
}

/// What everything in a gateway works with.
struct Base {
    store: Arc<Store>,
    clocks: Clocks,
    alarms: Arc<Alarms>,
}

impl Base {
    /// Opens the database. Deliveries that were in flight when the last process ended are due at once.
    async fn open(config: &Config, clocks: Clocks) -> Result<Self, Error> {
        let clock = Arc::clone(&clocks.steady);
        let store = Arc::new(Store::open(&config.store, &config.seal, OpenMode::Gateway, clock).await?);
        let left = store.resume().await?;
        if left > 0 {
            tracing::warn!(left, "deliveries were in flight when the last process ended; they are resumed");
        }
        Ok(Self { store, clocks, alarms: Arc::default() })
    }
}

impl Gateway {
    /// Starts a gateway that binds all of its addresses.
    pub async fn start(config: &Config, clocks: Clocks) -> Result<Self, Error> {
        Self::start_on(Arc::default(), config, clocks).await
    }

    /// Opens the database and the listeners, and starts to work. Deliveries that a crash left behind resume at once.
    /// `sockets` are those that another process has passed.
    pub async fn start_on(sockets: Arc<ListenSockets>, config: &Config, clocks: Clocks) -> Result<Self, Error> {
        let built = build(config, &[])?;
        for provider in environment::unencrypted_providers(config) {
            tracing::warn!("{provider}; codes can be read on the way");
        }
        metrics_at_zero::start(config, &built.providers, clocks.wall.now());
        let base = Base::open(config, clocks).await?;
        let file = Arc::new(ArcSwap::from_pointee(config.clone()));
        let loaded = LoadedConfig { file: Arc::clone(&file), pending: Arc::default() };
        let (config, routing_texts) = routing::live(config, &base).await?;
        let config = &config;
        let built = if config.routing.source == RoutingSource::Console { build(config, &[])? } else { built };
        let texts = Texts::open(config, &base).await?;
        let earlier_files = EarlierFiles::of(&config.store.local_path()?);
        let files = earlier_files.replace_unusable(config, &base.alarms, base.clocks.wall.now());
        let live = Arc::clone(&texts.live);
        let delivery = Delivery::start(config, built, live, Arc::clone(&base.store), &base.clocks).await?;
        let delivery = Arc::new(delivery);
        let routing = Arc::new(routing::publisher(config, routing_texts, &base, &delivery, &file).await?);
        let (store, alarms, worker) = (Arc::clone(&base.store), Arc::clone(&base.alarms), Arc::clone(&delivery.worker));
        let pause = Arc::new(DeliveryPause::begin(store, worker, alarms, config.delivery.paused).await?);
        let expiry = Arc::<ExpiryMonitor>::default();
        let (listener, serving) = listen_for_processors((&files.ingest, &sockets), &base, &delivery, &expiry)?;
        let (receipt_listener, serving_receipts) =
            listen_for_receipts((&files.receipts, &sockets), &delivery.receipts, &expiry)?.unzip();
        earlier_files.keep(config);
        let inspector = Arc::new(inspector(&base, &delivery, &texts, &loaded));
        let users = users_of(config, &delivery.setup, &base.store, &base.clocks);
        let console = console_parts(config, &base, (&inspector, &texts, &routing), &users)?;
        let (console, serving_console) = listen_for_console((&files.console, &sockets), console, &expiry)?.unzip();
        if let [unused, ..] = &sockets.unused()[..] {
            return Err(Error::UnusedSocket(unused.clone()));
        }
        let parts = TaskParts { delivery: &delivery, pause: &pause, texts: &texts, users: &users, expiry: &expiry };
        let mut tasks = tasks::start(config, &base, &parts)?;
        tasks.extend(serving_receipts);
        tasks.extend(serving_console);
        let hand_over = HandOver::new(Arc::clone(&sockets));
        tasks.extend(answer_questions(&config.store, inspector, &hand_over)?);
        tracing::info!(listen = %listener.address, "ready");
        metrics::gauge!("otpost_reload_failed").set(0.0);
        let Base { store, clocks, alarms } = base;
        Ok(Self {
            listener,
            receipt_listener,
            console,
            texts,
            expiry,
            audit: config.audit.clone(),
            audit_log: AuditLog::new(Arc::clone(&store), Arc::clone(&clocks.steady)),
            clocks,
            store,
            delivery,
            routing,
            pause,
            loaded,
            alarms,
            earlier_files,
            sockets,
            hand_over,
            started_with: config.written.clone(),
            serving,
            tasks,
        })
    }

    /// Reloads templates at once. Otherwise they are reloaded when they have changed.
    pub fn reload_templates(&self) {
        self.texts.reloader.reload_now();
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

    /// The address of the console, if there is one.
    pub fn console_address(&self) -> Option<std::net::SocketAddr> {
        self.console.as_ref().map(|listener| listener.address)
    }

    /// The store, for reading.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The way of templates to the recipients.
    pub fn templates(&self) -> &Arc<TemplatePublisher> {
        &self.texts.publisher
    }

    /// The worker, which knows whether deliveries are in flight.
    pub fn worker(&self) -> &Arc<Worker> {
        &self.delivery.worker
    }

    /// What the ops listener shows of this gateway.
    pub fn status(&self, metrics: Box<dyn Fn() -> String + Send + Sync>) -> GatewayStatus {
        let (store, worker) = (Arc::clone(&self.store), Arc::clone(&self.delivery.worker));
        let reason = move || worker.not_ready_reason().or_else(|| store.not_ready_reason());
        let alarms = Arc::clone(&self.alarms);
        let alarms = Box::new(move || alarms.active());
        GatewayStatus { metrics, not_ready_reason: Box::new(reason), alarms }
    }

    /// Resolves with the reason when the gateway cannot continue and must stop.
    pub async fn failed(&self) -> String {
        self.store.failed().await
    }

    /// Resolves when another process has taken over the listeners, for which the gateway must stop.
    pub async fn replaced(&self) {
        self.hand_over.requested().await;
    }

    /// Ends at once, as a crash does: nothing is finished, and nothing new is begun.
    #[cfg(feature = "testing")]
    pub fn abandon(self) {
        self.serving.abort();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
