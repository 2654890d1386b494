//! The operators' door: whether the gateway lives, whether it takes notifications, and its metrics.
//!
//! Plain HTTP for loopback or a protected network. It shows numbers and names of reasons, never a person, never a code.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::http::header::ContentType;
use actix_web::web::Data;
use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Deserialize;

/// `[ops]` of the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port; empty for no such door.
    pub listen: String,
}

/// What the door asks of the gateway behind it.
pub struct Vitals {
    /// Writes the metrics in the text form of Prometheus.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Why nothing is taken at the moment; `None` when all is well.
    pub hindrance: Box<dyn Fn() -> Option<&'static str> + Send + Sync>,
}

/// Opens the door; returns where it listens, and the future that serves.
pub fn listen(
    settings: &Settings,
    vitals: Vitals,
) -> std::io::Result<(SocketAddr, impl Future<Output = std::io::Result<()>> + use<>)> {
    let vitals = Data::from(Arc::new(vitals));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(vitals.clone())
            .route("/healthz", web::get().to(healthz))
            .route("/readyz", web::get().to(readyz))
            .route("/metrics", web::get().to(metrics))
    })
    .workers(1)
    .disable_signals()
    .bind(&settings.listen)?;
    let address = server.addrs().first().copied().ok_or(std::io::ErrorKind::AddrNotAvailable)?;
    Ok((address, server.run()))
}

async fn healthz() -> &'static str {
    "alive\n"
}

async fn readyz(vitals: Data<Vitals>) -> HttpResponse {
    match (vitals.hindrance)() {
        None => HttpResponse::Ok().body("ready\n"),
        Some(why) => HttpResponse::ServiceUnavailable().body(format!("{why}\n")),
    }
}

async fn metrics(vitals: Data<Vitals>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body((vitals.metrics)())
}
