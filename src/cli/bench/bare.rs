//! `otpost bench-bare`: a server behind the gateway's own mutual TLS that reads JSON, answers 204 and keeps nothing.
//!
//! The upper bound of what a gateway on this machine could take in; only `otpost bench` starts it.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use actix_web::http::KeepAlive;
use actix_web::web::Bytes;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context;

use crate::cli::{output, usage};
use crate::config::Config;

/// As at the gateway's own door.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Serves with the certificates of the configuration in `file` until it is told to stop.
pub(crate) async fn run(file: &Path) -> anyhow::Result<ExitCode> {
    let config = Config::load(file).map_err(usage)?;
    let handshake = config.ingest.handshake().map_err(usage)?;
    let server = HttpServer::new(|| App::new().default_service(web::to(answer)))
        .workers(config.ingest.threads.max(1))
        .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
        .shutdown_timeout(1)
        .bind_openssl("127.0.0.1:0", handshake)?;
    let address = server.addrs().first().copied().context("the bare server has no address")?;
    output::note(format_args!("bare  listens on https://{address}"));
    server.run().await?;
    Ok(ExitCode::SUCCESS)
}

async fn answer(body: Bytes) -> HttpResponse {
    match serde_json::from_slice::<serde::de::IgnoredAny>(&body) {
        Ok(_) => HttpResponse::NoContent().finish(),
        Err(_) => HttpResponse::BadRequest().finish(),
    }
}
