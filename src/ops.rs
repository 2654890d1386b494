//! The ops listener: `/healthz`, `/readyz` and `/metrics`; and the local [`socket`] for questions of operators.
//!
//! `/readyz` answers 503 while nothing is accepted, and 200 otherwise: a gateway that works under an alarm is `degraded`, and
//! load balancers keep it.
//!
//! Plain HTTP for loopback or a protected network. It shows numbers and the names of reasons, never a recipient, never
//! a code.

pub mod hand_over;
pub mod socket;

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use actix_web::{App, HttpResponse, HttpServer, web};
use serde::{Deserialize, Serialize};

use crate::flow::alarms::ActiveAlarm;
use crate::server::ListenSockets;

/// The name of this listener.
pub const LISTENER: &str = "ops";

/// The content type of the Prometheus text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `[ops]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port; empty for no ops listener.
    pub listen: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9464".to_owned() }
    }
}

/// Why the listener cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "ops.listen: cannot listen on {listen}; a second gateway on one machine needs another port, or \"\" for none"
    )]
    Listen { listen: String, source: std::io::Error },
}

/// What the listener reads from the gateway.
pub struct GatewayStatus {
    /// Renders the metrics in the Prometheus text format.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Why no notification is accepted at the moment; `None` when the gateway is ready.
    pub not_ready_reason: Box<dyn Fn() -> Option<&'static str> + Send + Sync>,
    /// What is wrong while it works.
    pub alarms: Box<dyn Fn() -> Vec<ActiveAlarm> + Send + Sync>,
}

/// The body of `/readyz`.
#[derive(Serialize)]
struct Readiness {
    status: ReadinessStatus,
    /// Why nothing is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    alarms: Vec<ActiveAlarm>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum ReadinessStatus {
    Ready,
    Degraded,
    NotReady,
}

/// Open sockets. Connections wait until [`listen`] is called.
pub struct OpsListener(Vec<TcpListener>);

/// A running listener.
pub struct RunningOps {
    pub address: SocketAddr,
    server: ServerHandle,
}

impl RunningOps {
    /// Accepts nothing more: probes wait for the process that serves the socket next, and find it ready.
    pub async fn pause(&self) {
        self.server.pause().await;
    }
}

impl Settings {
    /// Whether there is an ops listener.
    pub fn is_open(&self) -> bool {
        !self.listen.is_empty()
    }

    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        let addresses = self.listen.to_socket_addrs();
        addresses.is_ok_and(|mut addresses| addresses.all(|address| address.ip().is_loopback()))
    }

    /// Opens the socket, before anything is opened that a second gateway must not touch. `None` without a listener.
    pub fn bind(&self, sockets: &ListenSockets) -> Result<Option<OpsListener>, Error> {
        if !self.is_open() {
            return Ok(None);
        }
        let failed = |source| Error::Listen { listen: self.listen.clone(), source };
        Ok(Some(OpsListener(sockets.open(LISTENER, &self.listen).map_err(failed)?)))
    }
}

/// Starts the listener; returns it and the future that serves.
pub fn listen(
    OpsListener(sockets): OpsListener,
    status: GatewayStatus,
) -> std::io::Result<(RunningOps, impl Future<Output = std::io::Result<()>> + use<>)> {
    let status = Data::from(Arc::new(status));
    let address = sockets.first().ok_or(std::io::ErrorKind::AddrNotAvailable)?.local_addr()?;
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(status.clone())
            .service(web::resource("/healthz").route(web::get().to(healthz)).route(web::head().to(healthz)))
            .service(web::resource("/readyz").route(web::get().to(readyz)).route(web::head().to(readyz)))
            .service(web::resource("/metrics").route(web::get().to(metrics)).route(web::head().to(metrics)))
    })
    .workers(1)
    .disable_signals();
    for socket in sockets {
        server = server.listen(socket)?;
    }
    let server = server.run();
    Ok((RunningOps { address, server: server.handle() }, server))
}

async fn healthz() -> &'static str {
    "alive\n"
}

async fn readyz(status: Data<GatewayStatus>) -> HttpResponse {
    let (reason, alarms) = ((status.not_ready_reason)(), (status.alarms)());
    let (mut answer, status) = match reason {
        Some(_) => (HttpResponse::ServiceUnavailable(), ReadinessStatus::NotReady),
        None if alarms.is_empty() => (HttpResponse::Ok(), ReadinessStatus::Ready),
        None => (HttpResponse::Ok(), ReadinessStatus::Degraded),
    };
    answer.json(Readiness { status, reason, alarms })
}

async fn metrics(status: Data<GatewayStatus>) -> HttpResponse {
    HttpResponse::Ok().content_type(EXPOSITION).body((status.metrics)())
}
