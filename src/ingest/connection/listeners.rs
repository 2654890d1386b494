//! The sockets of the ingest server, for clients and for the trusted proxy, and its run until it is stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_server::Server;
use actix_web::web::{self, Data, ServiceConfig};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

use super::acceptor::Acceptor;
use crate::flow::audit::{AuditLog, Rejection};
use crate::ingest::LISTENER;
use crate::ingest::handler::{AppState, handle};
use crate::ingest::mtls::rejection_log::RejectionLog;
use crate::ingest::rejections::{DueRejections, NotificationRejections};
use crate::ingest::settings::Settings;
use crate::server::{HttpOptions, HttpServer, ListenSockets, ServerControl};

/// A client that does not keep its connection pays a whole handshake for each code.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Never reached: the [`ConnectionLimiter`](super::limiter::ConnectionLimiter) evicts handshakes and rejects
/// connections instead of letting all of them wait.
const NO_LIMIT: usize = 1 << 20;

/// Time for accepted requests once no new ones are accepted. With everything before and after it, the process ends
/// within fifteen seconds.
const SHUTDOWN_SECONDS: u64 = 4;

/// The name of the listener for the trusted proxy.
const PROXY: &str = "ingest-proxy";

/// How often rejections are logged, if there are any.
const LOG_REJECTIONS_EVERY: Duration = Duration::from_secs(1);

/// Opens the sockets of `settings`, those of the trusted proxy last. The server runs once it is polled.
pub(crate) fn open(
    (settings, sockets): (&Settings, &ListenSockets),
    acceptor: &Acceptor,
    proxy_acceptor: Option<&Acceptor>,
    state: &Data<AppState>,
) -> std::io::Result<(Vec<SocketAddr>, ServerControl, Server)> {
    let options = HttpOptions {
        workers: settings.threads.max(1),
        max_connections: NO_LIMIT,
        keep_alive: KEEP_ALIVE,
        shutdown_seconds: SHUTDOWN_SECONDS,
    };
    let state = state.clone();
    let routes = move |service: &mut ServiceConfig| {
        service.app_data(state.clone()).default_service(web::to(handle));
    };
    let accept = |acceptor: &Acceptor| {
        let acceptor = acceptor.clone();
        move |tcp: TcpStream| acceptor.clone().accept(tcp)
    };
    let server = HttpServer::new(options, routes);
    let mut server = server.listen(LISTENER, (sockets, &settings.listen), accept(acceptor))?;
    let proxy = &settings.trusted_proxy;
    match proxy_acceptor {
        Some(acceptor) if proxy.has_socket() => {
            let (acceptor, uids): (_, Arc<[u32]>) = (acceptor.clone(), proxy.uids.as_slice().into());
            let accept = move |stream: UnixStream| acceptor.accept_local(stream, &uids);
            server = server.listen_unix(PROXY, (sockets, &proxy.socket), accept)?;
        }
        Some(acceptor) => server = server.listen(PROXY, (sockets, &proxy.listen), accept(acceptor))?,
        None => {}
    }
    Ok(server.run())
}

/// Runs the server until it is stopped, and writes rejected clients and notifications to the log and the audit log meanwhile.
pub(crate) async fn run(
    server: Server,
    clients: Arc<RejectionLog>,
    notifications: Arc<NotificationRejections>,
    audit_log: AuditLog,
) -> std::io::Result<()> {
    let mut ticks = tokio::time::interval(LOG_REJECTIONS_EVERY);
    tokio::pin!(server);
    let ended = loop {
        tokio::select! {
            ended = &mut server => break ended,
            _ = ticks.tick() => {
                let now = Instant::now();
                record(&audit_log, &clients.take_due(now), &notifications.take_due(now)).await;
            }
        }
    };
    record(&audit_log, &clients.take_all(), &notifications.take_all()).await;
    ended
}

async fn record(audit_log: &AuditLog, clients: &[Rejection], notifications: &DueRejections) {
    audit_log.record_rejections(clients).await;
    audit_log.record_rejected_notifications(&notifications.rejected, &notifications.alarms).await;
}
