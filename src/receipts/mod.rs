//! The receipts listener: a provider posts to `/receipts/{provider}` what happened to a message, or sends it as a query.
//!
//! HTTP/1.1 over TLS, or plain HTTP on loopback behind a proxy. It knows no provider's format and checks no signature
//! itself. No answer says what a receipt changed, so that no caller learns which messages exist.

mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::domain::chain;
use crate::domain::receipt::{Callback, ReceiptRejection};
use crate::flow::receipts::{CallbackError, Receipts};
use crate::flow::tasks::certificate_expiry::ExpiryMonitor;
use crate::server::{BodyError, HttpListener, HttpOptions, ListenSockets, read_body};

pub use crate::server::Error;
pub use settings::Settings;

/// The largest body in bytes. A receipt has a few hundred, a list of them some thousand.
const BODY_MAX: usize = 64 * 1024;

/// One worker: receipts wait for each other at the database. Connections beyond the limit wait, and idle ones are
/// closed soon, so that they do not use up the limit. Providers repeat a receipt that was not answered.
const OPTIONS: HttpOptions =
    HttpOptions { workers: 1, max_connections: 256, keep_alive: Duration::from_secs(5), shutdown_seconds: 1 };

/// The name of this listener, also of its certificate in metrics.
const LISTENER: &str = "receipts";

/// Checks settings and files as [`listen`] would use them, without listening.
pub fn check(settings: &Settings) -> Result<(), Error> {
    settings.checked_base_path()?;
    settings.address().check()
}

/// Starts the listener. The returned future serves until [`HttpListener::stop`].
pub fn listen(
    (settings, sockets): (&Settings, &ListenSockets),
    receipts: Arc<Receipts>,
    expiry: Arc<ExpiryMonitor>,
) -> Result<(HttpListener, impl Future<Output = std::io::Result<()>> + use<>), Error> {
    let path = format!("{}/receipts/{{provider}}", settings.checked_base_path()?);
    let (receipts, answers) = (Data::from(receipts), Data::new(ExpectedAnswers(settings.answers.clone())));
    let routes = move |service: &mut ServiceConfig| {
        let resource = web::resource(path.as_str()).route(web::post().to(take)).route(web::get().to(take));
        let resource = resource.default_service(web::to(other_method));
        service
            .app_data(receipts.clone())
            .app_data(answers.clone())
            .service(resource)
            .default_service(web::to(not_found));
    };
    settings.address().serve((OPTIONS, sockets), routes, move |end| expiry.watch(LISTENER, vec![(LISTENER, end)]))
}

/// What providers expect to read, by their names.
struct ExpectedAnswers(BTreeMap<String, String>);

/// Some providers repeat a receipt until this word is the answer; no provider minds it.
const ANSWER: &str = "OK";

async fn take(
    request: HttpRequest,
    payload: Payload,
    receipts: Data<Receipts>,
    answers: Data<ExpectedAnswers>,
) -> HttpResponse {
    let body = match read_body(&request, payload, BODY_MAX, BODY_MAX).await {
        Ok(body) => body,
        Err(BodyError::TooLarge) => return reject(StatusCode::PAYLOAD_TOO_LARGE),
        Err(BodyError::TooSlow) => return reject(StatusCode::REQUEST_TIMEOUT),
        Err(BodyError::Unreadable) => return reject(StatusCode::BAD_REQUEST),
    };
    // A header that is repeated counts as missing.
    let header = |name: &str| {
        let mut values = request.headers().get_all(name);
        values.next().filter(|_| values.next().is_none()).map(header::HeaderValue::as_bytes)
    };
    let provider = request.match_info().query("provider");
    let callback = Callback { header: &header, query: request.query_string(), body: &body, now: receipts.now() };
    match receipts.into_inner().accept(provider, &callback).await {
        Ok(()) => {
            let answer = answers.0.get(provider).map_or(ANSWER, String::as_str);
            HttpResponse::Ok().content_type("text/plain").body(answer.to_owned())
        }
        Err(CallbackError::UnknownProvider) => reject(StatusCode::NOT_FOUND),
        Err(CallbackError::Rejected(ReceiptRejection::Unsigned | ReceiptRejection::Untimely)) => {
            reject(StatusCode::UNAUTHORIZED)
        }
        Err(CallbackError::Rejected(ReceiptRejection::Malformed)) => reject(StatusCode::BAD_REQUEST),
        Err(CallbackError::Unavailable(error)) => {
            tracing::error!(error = chain(&error), "receipt could not be committed; answered 503");
            reject(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

async fn other_method() -> HttpResponse {
    let mut answer = reject(StatusCode::METHOD_NOT_ALLOWED);
    answer.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, POST"));
    answer
}

async fn not_found() -> HttpResponse {
    reject(StatusCode::NOT_FOUND)
}

// All answers have the same form and repeat no input.
fn reject(status: StatusCode) -> HttpResponse {
    let detail = match status {
        StatusCode::UNAUTHORIZED => "the signature or its time is not valid",
        StatusCode::NOT_FOUND => "no such path",
        StatusCode::METHOD_NOT_ALLOWED => "this path accepts only POST and GET",
        StatusCode::REQUEST_TIMEOUT => "the body did not arrive in time",
        StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
        StatusCode::BAD_REQUEST => "not a receipt",
        _ => "the receipt cannot be accepted now",
    };
    let mut answer = HttpResponse::build(status);
    if matches!(status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
        // The rest of the body is not read.
        answer.force_close();
    }
    answer.json(serde_json::json!({ "detail": detail }))
}
