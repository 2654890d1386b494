//! Builds a gateway from its configuration, starts it and stops it gracefully. It decides nothing else.

mod earlier_files;
pub mod environment;
mod error;
mod listeners;
mod metrics_at_zero;
mod parts;
mod reload;
mod templates;
mod trust_error;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::config::{Config, ConfigValues};
use crate::console;
use crate::domain::chain;
use crate::domain::clock::Clocks;
use crate::domain::contact::Channel;
use crate::domain::country::Country;
use crate::domain::notification::Kind;
use crate::flow::alarms::{AlarmKind, Alarms};
use crate::flow::audit::AuditLog;
use crate::flow::dispatch::{Dispatch, DispatchPolicy};
use crate::flow::inspector::Inspector;
use crate::flow::intake::Intake;
use crate::flow::limits;
use crate::flow::receipts::Receipts;
use crate::flow::tasks::certificate_expiry::{self, ExpiryMonitor};
use crate::flow::tasks::cleanup;
use crate::flow::tasks::clock_monitor;
use crate::flow::tasks::daily_report::DailyReport;
use crate::flow::tasks::notary;
use crate::flow::tasks::report_keeper;
use crate::flow::tasks::search_index;
use crate::flow::tasks::template_reload::TemplateReloader;
use crate::flow::template_publishing::TemplatePublisher;
use crate::flow::worker::Worker;
use crate::ingest::{self, Listener};
use crate::ops::GatewayStatus;

use crate::server::HttpListener;
use crate::store::{OpenMode, Store};
use earlier_files::EarlierFiles;
pub use error::Error;
use listeners::{answer_questions, listen_for_console, listen_for_receipts};
pub use parts::Parts;
use parts::{build, publishers, sign_on_of, users_of};

/// How long deliveries in flight may take after a stop was requested: one attempt and its settlement.
const DRAIN: Duration = Duration::from_secs(9);

/// How long the ingest listener may take to write its last rejections to the audit log.
const AUDIT_FLUSH: Duration = Duration::from_secs(1);

/// A running gateway.
pub struct Gateway {
    listener: Listener,
    receipt_listener: Option<HttpListener>,
    console: Option<HttpListener>,
    templates: Arc<TemplatePublisher>,
    expiry: Arc<ExpiryMonitor>,
    clocks: Clocks,
    audit: notary::Settings,
    store: Arc<Store>,
    worker: Arc<Worker>,
    audit_log: AuditLog,
    template_reloader: Arc<TemplateReloader>,
    alarms: Arc<Alarms>,
    earlier_files: EarlierFiles,
    started_with: ConfigValues,
    /// The changes that need a restart, as they were last logged.
    pending: Mutex<Vec<String>>,
    serving: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

fn watch_pause(paused: bool, alarms: &Alarms) {
    metrics::gauge!("otpost_delivery_paused").set(f64::from(u8::from(paused)));
    if paused {
        let detail = "delivery is paused: accepted notifications wait, and expire unless it is resumed in time";
        alarms.raise(AlarmKind::DeliveryPaused, detail);
        tracing::warn!(alarm = AlarmKind::DeliveryPaused.name(), "{detail}");
    } else {
        alarms.clear(AlarmKind::DeliveryPaused);
    }
}

impl Gateway {
    /// Opens the database and the listeners, and starts to work. Deliveries that a crash left behind resume at once.
    pub async fn start(config: &Config, clocks: Clocks) -> Result<Self, Error> {
        let (parts, (routes, readers)) = build(config)?;
        let (authority, mail) = publishers(config, &routes)?;
        for provider in environment::unencrypted_providers(config) {
            tracing::warn!("{provider}; codes can be read on the way");
        }
        let clock = Arc::clone(&clocks.steady);
        metrics_at_zero::start(config, |provider| readers.contains_key(provider));
        Country::load();
        let alarms = Arc::<Alarms>::default();
        let store = Arc::new(Store::open(&config.store, &config.seal, OpenMode::Gateway, Arc::clone(&clock)).await?);
        let left = store.resume().await?;
        if left > 0 {
            tracing::warn!(left, "deliveries were in flight when the last process ended; they are resumed");
        }
        let (templates, rejected) = templates::open(&config.templates, &store, clocks.wall.now()).await?;
        let templates = Arc::new(templates);
        let template_reloader = TemplateReloader::begin(
            Arc::clone(&templates),
            rejected.as_ref(),
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::clone(&alarms),
        );
        let template_reloader = Arc::new(template_reloader.await?);
        let earlier_files = EarlierFiles::of(&config.store.sqlite_path()?);
        let files = earlier_files.replace_unusable(config, &alarms, clocks.wall.now());
        let (profiles, Parts { plans, limits, .. }) = (parts.profiles(), parts);
        let plans = Arc::new(plans);
        let policy = DispatchPolicy {
            recipients: config.recipients.clone(),
            plans: Arc::clone(&plans),
            max_age: config.delivery.max_age,
            limits: Arc::clone(&limits),
        };
        let user_mail = routes.iter().find(|(profile, _)| profile.channel == Channel::Email);
        let user_mail = user_mail.map(|(_, provider)| Arc::clone(provider));
        let daily_report = DailyReport::new(&config.report, &routes)?;
        let dispatch = Dispatch::new(Arc::clone(&store), Arc::clone(&templates), policy, routes, clocks.clone());
        let registry = Arc::clone(dispatch.registry());
        registry.load_history().await?;
        registry.refresh().await?;
        let receipts = Receipts::new(Arc::clone(&store), readers, Arc::clone(&registry), clocks.clone());
        let (receipts, ended) = (Arc::new(receipts), dispatch.ended());
        watch_pause(config.delivery.paused, &alarms);
        let worker = Worker::new(&config.delivery, dispatch, Arc::clone(&store), Arc::clone(&clock), Handle::current());
        let intake = Intake::new(Arc::clone(&store), Arc::clone(&worker), Arc::clone(&plans), Arc::clone(&clock));
        let audit_log = AuditLog::new(Arc::clone(&store), Arc::clone(&clock));
        let expiry = Arc::<ExpiryMonitor>::default();
        let (listener, serving) =
            ingest::listen(&files.ingest, intake, audit_log.clone(), Arc::clone(&expiry), clocks.clone(), &alarms)
                .map_err(trust_error::explain)?;
        let (receipt_listener, serving_receipts) = listen_for_receipts(&files.receipts, &receipts, &expiry)?.unzip();
        earlier_files.keep(config);
        let (wall_clock, signed_with) = (Arc::clone(&clocks.wall), clocks.clone());
        let longest_life = plans.ttl(Kind::Otp);
        let serving = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(error = chain(&error), "ingest listener stopped unexpectedly");
            }
        });
        let publisher = TemplatePublisher::new(
            Arc::clone(&store),
            Arc::clone(&templates),
            &config.templates,
            Arc::clone(&wall_clock),
            Arc::clone(&alarms),
        );
        let publisher = Arc::new(publisher.await?);
        let inspector = Arc::new(Inspector {
            store: Arc::clone(&store),
            registry: Arc::clone(&registry),
            profiles,
            plans: Arc::clone(&plans),
            limits: Arc::clone(&limits),
            templates,
            clocks: clocks.clone(),
            worker: Arc::clone(&worker),
            otp_ambiguous: config.recipients.otp_ambiguous,
        });
        let users = users_of(config, user_mail, &store, &clocks);
        let parts = console::ConsoleParts {
            store: Arc::clone(&store),
            inspector: Arc::clone(&inspector),
            alarms: Arc::clone(&alarms),
            templates: Arc::clone(&publisher),
            clocks: clocks.clone(),
            users: Arc::clone(&users),
            sign_on: sign_on_of(config, &store, &clocks)?,
            dossiers: config.dossiers(),
            daily_reports: config.report.daily.clone(),
            export_folder: config.store.sqlite_path()?.parent().map(|it| Path::new(".").join(it)).unwrap_or_default(),
        };
        let (console, serving_console) = listen_for_console(&files.console, parts, &expiry)?.unzip();
        let mut tasks = vec![
            tokio::spawn(Arc::clone(&worker).run()),
            tokio::spawn(Arc::clone(&registry).run(Arc::clone(&alarms))),
            tokio::spawn(receipts.run(ended)),
            tokio::spawn(clock_monitor::run(Arc::clone(&store), clocks.clone(), Arc::clone(&alarms))),
            tokio::spawn(notary::run(Arc::clone(&store), clocks.clone(), config.audit.clone())),
            tokio::spawn(search_index::run(Arc::clone(&store))),
            tokio::spawn(report_keeper::run(Arc::clone(&store), Arc::clone(&clock))),
            tokio::spawn(limits::run(Arc::clone(&limits), Arc::clone(&clock))),
            tokio::spawn(certificate_expiry::run(Arc::clone(&expiry), Arc::clone(&wall_clock))),
            tokio::spawn(cleanup::run(Arc::clone(&store), clock, config.retention, longest_life, Arc::clone(&alarms))),
        ];
        tasks.push(if publisher.is_source() {
            tokio::spawn(Arc::clone(&publisher).run())
        } else {
            tokio::spawn(Arc::clone(&template_reloader).run())
        });
        tasks.extend(authority.map(|it| tokio::spawn(notary::timestamp::run(Arc::clone(&store), clocks.clone(), it))));
        tasks.extend(mail.map(|it| tokio::spawn(notary::mail::run(Arc::clone(&store), clocks, it))));
        tasks.extend(serving_receipts);
        tasks.extend(serving_console);
        tasks.push(tokio::spawn(users.watch(Arc::clone(&alarms))));
        tasks.extend(daily_report.map(|daily| tokio::spawn(daily.run(Arc::clone(&store), wall_clock))));
        tasks.extend(answer_questions(&config.store, inspector)?);
        tracing::info!(listen = %listener.address, "ready");
        metrics::gauge!("otpost_reload_failed").set(0.0);
        Ok(Self {
            listener,
            receipt_listener,
            console,
            templates: publisher,
            expiry,
            clocks: signed_with,
            audit: config.audit.clone(),
            store,
            worker,
            audit_log,
            template_reloader,
            alarms,
            earlier_files,
            started_with: config.written.clone(),
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
        &self.templates
    }

    /// The worker, which knows whether deliveries are in flight.
    pub fn worker(&self) -> &Arc<Worker> {
        &self.worker
    }

    /// What the ops listener shows of this gateway.
    pub fn status(&self, metrics: Box<dyn Fn() -> String + Send + Sync>) -> GatewayStatus {
        let (store, worker) = (Arc::clone(&self.store), Arc::clone(&self.worker));
        let reason = move || worker.not_ready_reason().or_else(|| store.not_ready_reason());
        let alarms = Arc::clone(&self.alarms);
        let alarms = Box::new(move || alarms.active());
        GatewayStatus { metrics, not_ready_reason: Box::new(reason), alarms }
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
        if let Some(console) = &self.console {
            console.stop().await;
        }
        self.tasks.iter().for_each(JoinHandle::abort);
        // Every task has ended before the database closes.
        for task in self.tasks {
            let _ = task.await;
        }
        report_keeper::finish(&self.store).await;
        notary::finish(&self.store, &self.clocks, &self.audit).await;
        self.store.close().await?;
        tracing::info!(released, "stopped");
        Ok(released)
    }
}
