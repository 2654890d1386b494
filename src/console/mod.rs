//! The operators' console: server-rendered pages over HTTPS, or over plain HTTP on loopback.
//!
//! `access` decides who may do what. `pages` has one file per topic, which reads from the store and changes through `flow`.
//! `views` renders the templates in `templates/console/`; `assets` serves the stylesheet and htmx. Every page works without
//! JavaScript.

mod access;
mod assets;
mod charts;
mod pages;
mod settings;
mod views;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{Data, ServiceConfig};
use openssl::ssl::SslContext;
use tokio::net::TcpStream;

use crate::domain::chain;
use crate::domain::clock::{Clocks, Timestamp};
use crate::flow::alarms::Alarms;
use crate::flow::dossiers;
use crate::flow::exports::Exports;
use crate::flow::inspector::Inspector;
use crate::flow::recent::RecentReader;
use crate::flow::tasks::certificate_expiry::ExpiryMonitor;
use crate::flow::tasks::daily_report::Daily;
use crate::pki;
use crate::server::{self, ClientStream, HttpOptions, HttpServer, ReloadableTls, ServerIdentity};
use crate::store::Store;

pub use crate::server::Error;
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
    pub clocks: Clocks,
    pub dossiers: dossiers::Settings,
    pub daily_reports: Daily,
    exports: Exports,
    export_folder: PathBuf,
    /// Ends of certificates.
    expiry: Arc<ExpiryMonitor>,
    recent: RecentReader,
    views: Views,
    /// Whether browsers reach the console by HTTPS, so that cookies may be for HTTPS only.
    secure: bool,
}

/// A running console.
pub struct ConsoleListener {
    pub address: SocketAddr,
    server: ServerHandle,
    tls: Option<Arc<ReloadableTls>>,
    expiry: Arc<ExpiryMonitor>,
}

impl ConsoleListener {
    /// Accepts nothing more, answers requests in progress, and closes.
    pub async fn stop(&self) {
        self.server.stop(true).await;
    }

    /// Whether a reload can apply the certificate of `settings`. Between TLS and plain HTTP only a restart can switch.
    pub fn can_reload(&self, settings: &Settings) -> bool {
        self.tls.is_some() && settings.has_tls()
    }

    /// Reads the certificate and key of `settings`. The returned function puts them into effect for new handshakes,
    /// and cannot fail.
    pub fn prepare_reload(&self, settings: &Settings) -> Result<impl FnOnce() + use<'_>, Error> {
        let new = match (&self.tls, settings.has_tls()) {
            (Some(tls), true) => {
                settings.identity()?.map(|identity| read(&identity)).transpose()?.map(|new| (tls, new))
            }
            _ => None,
        };
        Ok(move || {
            if let Some((tls, (context, end))) = new {
                tls.replace(context);
                self.expiry.watch(LISTENER, vec![(LISTENER, end)]);
            }
        })
    }
}

/// Checks settings and files as [`listen`] would use them, without listening.
pub fn check(settings: &Settings) -> Result<(), Error> {
    settings.identity()?.map(|identity| read(&identity)).transpose()?;
    Ok(())
}

/// What the console is made of.
pub struct Parts {
    pub store: Arc<Store>,
    pub inspector: Arc<Inspector>,
    pub alarms: Arc<Alarms>,
    pub clocks: Clocks,
    pub dossiers: dossiers::Settings,
    pub daily_reports: Daily,
    /// Where files are made that operators export.
    pub export_folder: PathBuf,
}

/// Starts the console. The returned future serves until [`ConsoleListener::stop`].
pub fn listen(
    settings: &Settings,
    parts: Parts,
    expiry: Arc<ExpiryMonitor>,
) -> Result<(ConsoleListener, impl Future<Output = std::io::Result<()>> + use<>), Error> {
    let Parts { store, inspector, alarms, clocks, dossiers, daily_reports, export_folder } = parts;
    let steady = Arc::clone(&clocks.steady);
    let console = Data::new(Console {
        store,
        inspector,
        alarms,
        clocks,
        dossiers,
        daily_reports,
        exports: Exports::new(&export_folder, steady),
        export_folder,
        expiry: Arc::clone(&expiry),
        recent: RecentReader::default(),
        views: Views::new(),
        secure: settings.has_tls(),
    });
    let server = HttpServer::new(OPTIONS, move |service: &mut ServiceConfig| {
        service.app_data(console.clone()).configure(assets::routes).configure(access::routes).configure(pages::routes);
    });
    let (server, tls) = if let Some(identity) = settings.identity()? {
        let (context, end) = read(&identity)?;
        expiry.watch(LISTENER, vec![(LISTENER, end)]);
        let tls = Arc::new(ReloadableTls::new(context));
        let acceptor = Arc::clone(&tls);
        let accept = move |tcp: TcpStream| {
            let acceptor = Arc::clone(&acceptor);
            async move { acceptor.accept(tcp).await.map(|stream| ClientStream::new(stream, (), ())) }
        };
        (server.listen(LISTENER, &settings.listen, accept), Some(tls))
    } else {
        let accept = |tcp: TcpStream| async { Some(ClientStream::new(tcp, (), ())) };
        (server.listen(LISTENER, &settings.listen, accept), None)
    };
    let (addresses, server) = server.map_err(|source| settings.cannot_listen(source))?.run();
    let address = addresses.first().copied();
    let address = address.ok_or_else(|| settings.cannot_listen(std::io::ErrorKind::AddrNotAvailable.into()))?;
    Ok((ConsoleListener { address, server: server.handle(), tls, expiry }, server))
}

fn read(identity: &ServerIdentity) -> Result<(SslContext, Timestamp), Error> {
    let (_, end) = pki::validity(&identity.certificate).map_err(|error| identity.error(chain(&error)))?;
    Ok((server::acceptor(identity)?.build().into_context(), end))
}
