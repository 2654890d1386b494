//! The providers' door: `POST /receipts/{provider}` tells what became of a message.
//!
//! HTTP/1.1 over TLS, or plain on loopback behind a proxy. It knows no provider's form and checks no signature itself;
//! an answer never says what a receipt did, so that nobody learns from it which messages there are.

mod settings;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Data, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use futures_util::StreamExt;

use crate::domain::chain;
use crate::domain::receipt::{Callback, ReceiptRejection};
use crate::flow::receipts::{CallbackError, Receipts};

pub use settings::{Error, Settings};

/// The largest body taken, in bytes. A receipt has a few hundred, a list of them some thousand.
const BODY_MAX: usize = 64 * 1024;

/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a request's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections at once: they wait for each other at the database, and providers come again.
const CONNECTIONS_MAX: usize = 256;

/// Time for requests under way once we were told to stop.
const SHUTDOWN_SECONDS: u64 = 1;

/// The door as long as it is open.
pub struct ReceiptListener {
    /// Where it listens.
    pub address: SocketAddr,
    server: ServerHandle,
}

impl ReceiptListener {
    /// Takes nothing new, answers what is under way, closes.
    pub async fn stop(&self) {
        self.server.stop(true).await;
    }
}

/// Checks everything that [`listen`] needs, and opens nothing.
pub fn check(settings: &Settings) -> Result<(), Error> {
    settings.place().map(drop)
}

/// Opens the door; returns it, and the future that serves.
pub fn listen(
    settings: &Settings,
    receipts: Arc<Receipts>,
) -> Result<(ReceiptListener, impl Future<Output = std::io::Result<()>> + use<>), Error> {
    let cannot = |source| Error::Listen { listen: settings.listen.clone(), source };
    let place = settings.place()?;
    let path = format!("{}/receipts/{{provider}}", place.base_path);
    let receipts = Data::from(receipts);
    let server = HttpServer::new(move || {
        let desk = web::resource(path.as_str()).route(web::post().to(take)).default_service(web::to(only_post));
        App::new().app_data(receipts.clone()).service(desk).default_service(web::to(not_found))
    })
    .workers(1)
    .max_connections(CONNECTIONS_MAX)
    .client_request_timeout(HEAD_TIMEOUT)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .disable_signals();
    let server = match place.tls {
        Some(tls) => server.bind_openssl(&place.addresses[..], tls),
        None => server.bind(&place.addresses[..]),
    }
    .map_err(cannot)?;
    let address = server.addrs().first().copied().ok_or_else(|| cannot(std::io::ErrorKind::AddrNotAvailable.into()))?;
    let server = server.run();
    Ok((ReceiptListener { address, server: server.handle() }, server))
}

async fn take(request: HttpRequest, payload: Payload, receipts: Data<Receipts>) -> HttpResponse {
    let body = match tokio::time::timeout(BODY_TIMEOUT, read(&request, payload)).await {
        Ok(Ok(body)) => body,
        Ok(Err(status)) => return refuse(status),
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT),
    };
    let header = |name: &str| {
        let mut held = request.headers().get_all(name);
        held.next().filter(|_| held.next().is_none()).map(header::HeaderValue::as_bytes)
    };
    let provider = request.match_info().query("provider");
    let callback = Callback { header: &header, body: &body, now: receipts.now() };
    match receipts.into_inner().take(provider, &callback).await {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(CallbackError::UnknownProvider) => refuse(StatusCode::NOT_FOUND),
        Err(CallbackError::Rejected(ReceiptRejection::Unsigned | ReceiptRejection::Untimely)) => {
            refuse(StatusCode::UNAUTHORIZED)
        }
        Err(CallbackError::Rejected(ReceiptRejection::Malformed)) => refuse(StatusCode::BAD_REQUEST),
        Err(CallbackError::Unavailable(error)) => {
            tracing::error!(error = chain(&error), "a receipt could not be committed and was answered with 503");
            refuse(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

async fn read(request: &HttpRequest, mut payload: Payload) -> Result<Vec<u8>, StatusCode> {
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|n| n.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > BODY_MAX) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut body = Vec::with_capacity(declared.unwrap_or_default());
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| StatusCode::BAD_REQUEST)?;
        if body.len() + chunk.len() > BODY_MAX {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

async fn only_post() -> HttpResponse {
    let mut answer = refuse(StatusCode::METHOD_NOT_ALLOWED);
    answer.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST"));
    answer
}

async fn not_found() -> HttpResponse {
    refuse(StatusCode::NOT_FOUND)
}

// The same form for all of them, and nothing of what was sent.
fn refuse(status: StatusCode) -> HttpResponse {
    let detail = match status {
        StatusCode::UNAUTHORIZED => "the signature or its time is not good",
        StatusCode::NOT_FOUND => "no such path",
        StatusCode::METHOD_NOT_ALLOWED => "this path takes only POST",
        StatusCode::REQUEST_TIMEOUT => "the body did not come in time",
        StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
        StatusCode::BAD_REQUEST => "not a receipt",
        _ => "not now",
    };
    let mut answer = HttpResponse::build(status);
    if matches!(status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
        // What is left of the body is not read.
        answer.force_close();
    }
    answer.json(serde_json::json!({ "detail": detail }))
}
