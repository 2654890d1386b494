//! The operators' console: server-rendered pages over HTTPS, or over plain HTTP on loopback.
//!
//! `access` decides who may do what. `api` has the same for programs. `pages` has one file per topic, which reads from the store and changes through `flow`.
//! `views` renders the templates in `templates/console/`; `assets` serves the stylesheet and htmx. Every page works without
//! JavaScript.

mod access;
mod api;
mod assets;
mod charts;
mod pages;
mod settings;
mod upload;
mod views;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, FormConfig, PayloadConfig, ServiceConfig};

use crate::domain::clock::Clocks;
use crate::flow::alarms::Alarms;
use crate::flow::api_tokens::ApiTokens;
use crate::flow::dossiers;
use crate::flow::exports::Exports;
use crate::flow::inspector::Inspector;
use crate::flow::recent::RecentReader;
use crate::flow::routing_publishing::RoutingPublisher;
use crate::flow::single_sign_on::SingleSignOn;
use crate::flow::tasks::certificate_expiry::ExpiryMonitor;
use crate::flow::tasks::daily_report::Daily;
use crate::flow::template_publishing::TemplatePublisher;
use crate::flow::users::Users;
use crate::server::{HttpListener, HttpOptions, ListenSockets};
use crate::store::Store;

pub use crate::server::Error;
pub use api::openapi::describe as api_description;
use pages::templates::MailPreviews;
pub use settings::Settings;
use views::Views;

/// One worker: pages wait for each other at the database.
const OPTIONS: HttpOptions =
    HttpOptions { workers: 1, max_connections: 256, keep_alive: Duration::from_secs(15), shutdown_seconds: 1 };

/// The name of this listener, also of its certificate in metrics.
const LISTENER: &str = "console";

/// What the pages read and change.
pub struct Console {
    pub store: Arc<Store>,
    /// What the running gateway knows: providers, plans, templates, how a recipient would be notified.
    pub inspector: Arc<Inspector>,
    pub alarms: Arc<Alarms>,
    /// The way of templates to the recipients.
    pub templates: Arc<TemplatePublisher>,
    /// The way of plans, limits and providers into use.
    pub routing: Arc<RoutingPublisher>,
    pub clocks: Clocks,
    users: Arc<Users>,
    sign_on: Option<SingleSignOn>,
    tokens: ApiTokens,
    pub dossiers: dossiers::Settings,
    pub daily_reports: Daily,
    /// The folder of the keys with which processors encrypt.
    pub encryption_keys: PathBuf,
    exports: Arc<Exports>,
    export_folder: PathBuf,
    /// Ends of certificates.
    expiry: Arc<ExpiryMonitor>,
    recent: RecentReader,
    views: Views,
    /// Rendered mails, for the frames that show them.
    mails: MailPreviews,
    /// Whether browsers reach the console by HTTPS, so that cookies may be for HTTPS only.
    secure: bool,
}

/// Checks settings and files as [`listen`] would use them, without listening.
pub fn check(settings: &Settings) -> Result<(), Error> {
    settings.check()?;
    Views::new(&settings.languages).map(drop)
}

/// What the console is made of.
pub struct ConsoleParts {
    pub store: Arc<Store>,
    pub inspector: Arc<Inspector>,
    pub alarms: Arc<Alarms>,
    pub templates: Arc<TemplatePublisher>,
    pub routing: Arc<RoutingPublisher>,
    pub clocks: Clocks,
    pub users: Arc<Users>,
    /// Signing in at an identity provider, if there is one.
    pub sign_on: Option<SingleSignOn>,
    pub dossiers: dossiers::Settings,
    pub daily_reports: Daily,
    pub encryption_keys: PathBuf,
    /// Where files are made that operators export.
    pub export_folder: PathBuf,
}

/// Starts the console. The returned future serves until [`HttpListener::stop`].
pub fn listen(
    (settings, sockets): (&Settings, &ListenSockets),
    parts: ConsoleParts,
    expiry: Arc<ExpiryMonitor>,
) -> Result<(HttpListener, impl Future<Output = std::io::Result<()>> + use<>), Error> {
    settings.check()?;
    let ConsoleParts {
        store,
        inspector,
        alarms,
        clocks,
        users,
        sign_on,
        templates,
        routing,
        dossiers,
        daily_reports,
        encryption_keys,
        export_folder,
    } = parts;
    let (address, steady) = (settings.address(), Arc::clone(&clocks.steady));
    let tokens = ApiTokens::new(Arc::clone(&store), Arc::clone(&clocks.wall));
    let console = Data::new(Console {
        store,
        inspector,
        alarms,
        clocks,
        users,
        sign_on,
        tokens,
        templates,
        routing,
        dossiers,
        mails: MailPreviews::default(),
        daily_reports,
        encryption_keys,
        exports: Exports::open(&export_folder, steady),
        export_folder,
        expiry: Arc::clone(&expiry),
        recent: RecentReader::default(),
        views: Views::new(&settings.languages)?,
        secure: settings.is_secure(),
    });
    let routes = move |service: &mut ServiceConfig| {
        let guarded = web::scope("").wrap(from_fn(access::guard)).wrap(from_fn(views::translate));
        let guarded = guarded.configure(assets::routes).configure(access::routes).configure(pages::routes);
        let forms = FormConfig::default().limit(access::UPLOAD_MAX);
        let bodies = PayloadConfig::new(access::UPLOAD_MAX);
        service.app_data(console.clone()).app_data(forms).app_data(bodies).configure(api::routes).service(guarded);
    };
    address.serve((OPTIONS, sockets), routes, move |end| expiry.watch(LISTENER, vec![(LISTENER, end)]))
}
