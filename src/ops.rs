//! The operators' door: whether the gateway lives, whether it takes notifications, and its metrics.
//!
//! Plain HTTP for loopback or a protected network. It shows numbers and names of reasons, never a person, never a code.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Deserialize;

/// The text form of Prometheus, by the version that scrapers ask for.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `[ops]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port; empty for no such door.
    pub listen: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9464".to_owned() }
    }
}

/// Why the door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not one, or not free.
    #[error(
        "ops.listen: cannot listen on {listen}; a second gateway on one machine needs another port, or \"\" for none"
    )]
    Listen {
        /// The address as configured.
        listen: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What the door asks of the gateway behind it.
pub struct GatewayStatus {
    /// Writes the metrics in the text form of Prometheus.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Why nothing is taken at the moment; `None` when all is well.
    pub hindrance: Box<dyn Fn() -> Option<&'static str> + Send + Sync>,
}

/// An address that is ours, with nobody behind it yet: whoever knocks waits.
pub struct OpsListener(TcpListener);

impl Settings {
    /// Whether there is such a door.
    pub fn is_open(&self) -> bool {
        !self.listen.is_empty()
    }

    /// Whether only this machine can come to it.
    pub fn is_local(&self) -> bool {
        let addresses = self.listen.to_socket_addrs();
        addresses.is_ok_and(|mut addresses| addresses.all(|address| address.ip().is_loopback()))
    }

    /// Takes the address, before anything is opened that a second gateway must not touch. None when there is no door.
    pub fn bind(&self) -> Result<Option<OpsListener>, Error> {
        if !self.is_open() {
            return Ok(None);
        }
        let cannot = |source| Error::Listen { listen: self.listen.clone(), source };
        Ok(Some(OpsListener(TcpListener::bind(&self.listen).map_err(cannot)?)))
    }
}

/// Opens the door; returns where it listens, and the future that serves.
pub fn listen(
    doorstep: OpsListener,
    vitals: GatewayStatus,
) -> std::io::Result<(SocketAddr, impl Future<Output = std::io::Result<()>> + use<>)> {
    let vitals = Data::from(Arc::new(vitals));
    let address = doorstep.0.local_addr()?;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(vitals.clone())
            .route("/healthz", web::get().to(healthz))
            .route("/readyz", web::get().to(readyz))
            .route("/metrics", web::get().to(metrics))
    })
    .workers(1)
    .disable_signals()
    .listen(doorstep.0)?;
    Ok((address, server.run()))
}

async fn healthz() -> &'static str {
    "alive\n"
}

async fn readyz(vitals: Data<GatewayStatus>) -> HttpResponse {
    match (vitals.hindrance)() {
        None => HttpResponse::Ok().body("ready\n"),
        Some(why) => HttpResponse::ServiceUnavailable().body(format!("{why}\n")),
    }
}

async fn metrics(vitals: Data<GatewayStatus>) -> HttpResponse {
    HttpResponse::Ok().content_type(EXPOSITION).body((vitals.metrics)())
}
