//! The baseline: a server behind the gateway's mutual TLS that parses JSON, answers 204 and stores nothing.
//!
//! Its rate is the upper bound for any gateway on this machine. It is a process of its own: this executable, started
//! with `--baseline`.

use std::path::Path;
use std::time::Duration;

use actix_web::http::KeepAlive;
use actix_web::web::Bytes;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context;

use otpost::config::Config;

/// The same as the ingest listener's.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Serves with the certificates of the configuration in `file` until it is terminated.
pub(super) async fn run(file: &Path) -> anyhow::Result<()> {
    let config = Config::load(file)?;
    let acceptor = config.ingest.tls_acceptor()?;
    let server = HttpServer::new(|| App::new().default_service(web::to(answer)))
        .workers(config.ingest.threads.max(1))
        .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
        .shutdown_timeout(1)
        .bind_openssl("127.0.0.1:0", acceptor)?;
    let address = server.addrs().first().copied().context("the baseline server has no address")?;
    eprintln!("baseline listens on https://{address}");
    Ok(server.run().await?)
}

async fn answer(body: Bytes) -> HttpResponse {
    match serde_json::from_slice::<serde::de::IgnoredAny>(&body) {
        Ok(_) => HttpResponse::NoContent().finish(),
        Err(_) => HttpResponse::BadRequest().finish(),
    }
}
