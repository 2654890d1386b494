//! The ingest listener: processors post notifications over mutual TLS. It parses a request, calls the intake, and
//! answers.
//!
//! It knows no database and no provider. A client that is not authorized gets no further than `mtls`; a body that
//! cannot be parsed gets no further than the processor's module. No answer repeats input.

mod batch_counter;
mod body;
mod connection;
mod fields;
#[cfg(feature = "testing")]
pub mod fuzz_api;
mod handler;
pub mod jwe;
mod known_metrics;
mod mtls;
pub mod openapi;
mod problem;
pub mod processor;
mod rejections;
mod settings;
mod strict_json;
mod verestro;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::web::Data;
use arc_swap::ArcSwap;

use crate::domain::chain;
use crate::domain::clock::Clocks;
use crate::flow::alarms::{AlarmKind, Alarms};
use crate::flow::audit::AuditLog;
use crate::flow::intake::Intake;
use crate::flow::tasks::certificate_expiry::ExpiryMonitor;
use crate::server::{self, ListenSockets, ServerControl};
use connection::acceptor::Acceptor;
use connection::listeners;
use handler::{AppState, ShutdownState};
use jwe::decryptor::{DecryptionKeys, Decryptor};
use mtls::request_authorizer::RequestAuthorizer;
use mtls::tls::HandshakeResultIndex;
use mtls::trust::TrustStore;

pub use known_metrics::known_metrics;
pub use mtls::trust::Reloaded;
pub use settings::{ClientRole, ClientSettings, CrlExpired, Error, Jwe, MinVersion, ProxySettings, Settings};

/// Time between the order to stop and the first 503. Requests that were sent before the order are still answered, and
/// what lies unread in a socket when it is closed would be lost: this is enough to read it under any load.
const CLOSING_TIME: Duration = Duration::from_millis(500);

/// The name of this listener.
pub const LISTENER: &str = "ingest";

/// A running ingest listener.
pub struct Listener {
    /// The address, with the actual port if the configured one is 0.
    pub address: SocketAddr,
    /// The address for the trusted proxy, if it connects over TLS.
    pub proxy_address: Option<SocketAddr>,
    server: ServerControl,
    shutdown: Arc<ShutdownState>,
    decryptor: Arc<Decryptor>,
    acceptor: Acceptor,
    proxy_acceptor: Option<Acceptor>,
}

impl Listener {
    /// Answers the requests that have arrived, accepts no more, and closes. From the start each answer ends its
    /// connection.
    pub async fn stop(&self) {
        self.shutdown.closing.store(true, Ordering::Relaxed);
        tokio::time::sleep(CLOSING_TIME).await;
        self.shutdown.closed.store(true, Ordering::Relaxed);
        self.server.stop().await;
    }

    /// Leaves the socket to the next process: answers the requests on open connections as before, ends each with its
    /// answer, and closes. New connections wait in the backlog of the socket.
    pub async fn leave(&self) {
        self.server.pause().await;
        self.shutdown.closing.store(true, Ordering::Relaxed);
        self.server.wait_for_connections(CLOSING_TIME).await;
        self.server.leave().await;
    }

    /// Reads the files and clients of `settings`. The returned function puts them into effect, and cannot fail: for
    /// new handshakes, and for the next request of every open connection.
    pub fn prepare_reload(&self, settings: &Settings) -> Result<impl FnOnce() -> Reloaded + use<'_>, Error> {
        let trust = Arc::new(TrustStore::read(settings, self.acceptor.result_index)?);
        let proxy_trust = match &self.proxy_acceptor {
            Some(acceptor) => Some((acceptor, proxy_trust(settings, acceptor.result_index)?)),
            None => None,
        };
        let keys = DecryptionKeys::read(settings)?;
        Ok(move || {
            if let Some((acceptor, trust)) = proxy_trust {
                acceptor.trust.store(Arc::new(trust));
            }
            self.decryptor.exchange(keys);
            self.acceptor.expiry.watch(LISTENER, trust.ends.clone());
            self.acceptor.expiry.configure_clients(trust.clients());
            let old = self.acceptor.trust.swap(Arc::clone(&trust));
            Reloaded::between(&old, &trust)
        })
    }
}

/// Checks settings and files as [`listen`] would use them, without listening.
pub fn check(settings: &Settings) -> Result<(), Error> {
    let result_index = mtls::tls::new_result_index()?;
    TrustStore::read(settings, result_index)?;
    settings.trusted_proxy.check()?;
    if settings.trusted_proxy.is_on() {
        proxy_trust(settings, result_index)?;
    }
    DecryptionKeys::read(settings)?;
    base_path(settings)?;
    Ok(())
}

fn base_path(settings: &Settings) -> Result<String, server::Error> {
    server::checked_base_path("ingest.base_path", &settings.base_path)
}

// A proxy on a unix socket has no certificate; then no client is authorized here.
fn proxy_trust(settings: &Settings, result_index: HandshakeResultIndex) -> Result<TrustStore, server::Error> {
    settings.trusted_proxy.check()?;
    let mut as_listener = settings.trusted_proxy.as_listener(settings);
    if settings.trusted_proxy.has_socket() {
        as_listener.client.clear();
        as_listener.client_ca.clone_from(&settings.client_ca);
    }
    TrustStore::read(&as_listener, result_index)
}

// An unusable key must not keep plain notifications, and those for other keys, from being accepted. Without an index it is
// not known which keys exist, and none is published.
fn usable_keys(settings: &Settings, alarms: &Alarms) -> Result<DecryptionKeys, Error> {
    let (keys, unusable) = match DecryptionKeys::read_usable(settings) {
        Ok(read) => read,
        Err(error @ Error::Encryption(_)) => (DecryptionKeys::none(settings), vec![error]),
        Err(error) => return Err(error),
    };
    if !unusable.is_empty() {
        let error = unusable.iter().map(|error| chain(error)).collect::<Vec<_>>().join("; ");
        alarms.raise(AlarmKind::EncryptionKeys, format!("bodies for some encryption keys are rejected: {error}"));
        tracing::error!(
            alarm = AlarmKind::EncryptionKeys.name(),
            error,
            "encryption keys cannot be used; encrypted bodies for them are rejected until the files are put back"
        );
    }
    Ok(keys)
}

/// Starts the listener. The returned future serves until [`Listener::stop`].
pub fn listen(
    (settings, sockets): (&Settings, &ListenSockets),
    intake: Intake,
    audit_log: AuditLog,
    expiry: Arc<ExpiryMonitor>,
    clocks: Clocks,
    alarms: &Alarms,
) -> Result<(Listener, impl Future<Output = std::io::Result<()>> + use<>), Error> {
    let result_index = mtls::tls::new_result_index()?;
    let trust = TrustStore::read(settings, result_index)?;
    expiry.watch(LISTENER, trust.ends.clone());
    expiry.configure_clients(trust.clients());
    let acceptor = Acceptor {
        trust: Arc::new(ArcSwap::from_pointee(trust)),
        result_index,
        limiter: Arc::default(),
        rejections: Arc::default(),
        notifications: Arc::default(),
        expiry,
        clock: Arc::clone(&clocks.wall),
        for_proxy: false,
    };
    settings.trusted_proxy.check()?;
    let proxy_trust = settings.trusted_proxy.is_on().then(|| proxy_trust(settings, result_index)).transpose()?;
    let proxy_acceptor = proxy_trust.map(|trust| {
        let trust = Arc::new(ArcSwap::from_pointee(trust));
        Acceptor { trust, limiter: Arc::default(), for_proxy: true, ..acceptor.clone() }
    });
    let shutdown = Arc::<ShutdownState>::default();
    let decryptor = Arc::new(Decryptor::new(usable_keys(settings, alarms)?));
    let state = Data::new(AppState {
        authorizer: RequestAuthorizer {
            trust: Arc::clone(&acceptor.trust),
            proxy_trust: proxy_acceptor.as_ref().map(|acceptor| Arc::clone(&acceptor.trust)),
            rejections: Arc::clone(&acceptor.rejections),
        },
        decryptor: Arc::clone(&decryptor),
        rejections: Arc::clone(&acceptor.notifications),
        intake,
        clocks,
        base_path: base_path(settings)?,
        shutdown: Arc::clone(&shutdown),
    });
    let failed =
        |source| server::Error::Listen { key: "ingest.listen".to_owned(), listen: settings.listen.clone(), source };
    let opened = listeners::open((settings, sockets), &acceptor, proxy_acceptor.as_ref(), &state);
    let (addresses, control, server) = opened.map_err(failed)?;
    let address = addresses.first().copied().ok_or(std::io::ErrorKind::AddrNotAvailable.into()).map_err(failed)?;
    let over_tls = !settings.trusted_proxy.listen.is_empty();
    let proxy_address = addresses.last().copied().filter(|_| over_tls);
    let (clients, notifications) = (Arc::clone(&acceptor.rejections), Arc::clone(&acceptor.notifications));
    let serving = listeners::run(server, clients, notifications, audit_log);
    let listener = Listener { address, proxy_address, server: control, shutdown, decryptor, acceptor, proxy_acceptor };
    Ok((listener, serving))
}
