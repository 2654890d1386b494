//! Handles requests: authorizes the client, reads the body, passes the notification to the intake, and answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::{ConnectionType, Method};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::body;
use super::jwe;
use super::jwe::decryptor::Decryptor;
use super::mtls::authorize::Access;
use super::mtls::request_authorizer::{Client, RequestAuthorizer, Unauthorized};
use super::problem::Problem;
use super::processor;
use super::rejections::NotificationRejections;
use super::settings::Jwe;
use crate::domain::clock::{Clocks, Timestamp};
use crate::domain::notification::{ClientName, Warning};
use crate::flow::intake::{IncomingNotification, Intake, IntakeResult};

/// The path of the key that bodies may be encrypted for.
pub(super) const PUBLIC_KEY: &str = "/public-key";

/// What all requests share.
pub(super) struct AppState {
    pub(super) authorizer: RequestAuthorizer,
    pub(super) decryptor: Arc<Decryptor>,
    pub(super) rejections: Arc<NotificationRejections>,
    pub(super) intake: Intake,
    pub(super) clocks: Clocks,
    pub(super) base_path: String,
    pub(super) shutdown: Arc<ShutdownState>,
}

/// How far a listener has stopped.
#[derive(Default)]
pub(super) struct ShutdownState {
    /// Each answer ends its connection.
    pub(super) closing: AtomicBool,
    /// Notifications are answered with 503.
    pub(super) closed: AtomicBool,
}

/// What a request achieved.
enum Handled {
    Notification(IntakeResult),
    PublicKey(Arc<str>),
}

/// Handles a request to any path: the path is compared as it was sent, before anything decodes or normalizes it.
pub(super) async fn handle(request: HttpRequest, payload: Payload, state: Data<AppState>) -> HttpResponse {
    let began = Instant::now();
    let (processor, kind) = labels(&request, &state);
    let (client, result) = try_handle(&request, payload, &state).await;
    match (&client, &result) {
        (Some(client), Ok(Handled::Notification(_))) => state.rejections.accepted(client, kind),
        (Some(client), Err(problem)) => state.rejections.rejected(client, kind, *problem, began),
        (_, Ok(_)) | (None, Err(_)) => {}
    }
    let outcome = match &result {
        Ok(Handled::Notification(IntakeResult::Accepted(_))) => "taken",
        Ok(Handled::Notification(IntakeResult::Replayed(_))) => "replayed",
        Ok(Handled::PublicKey(_)) => "public_key",
        Err(problem) => problem.into_str(),
    };
    let labels = [("processor", processor), ("kind", kind), ("outcome", outcome)];
    metrics::counter!("otpost_ingest_requests_total", &labels).increment(1);
    metrics::histogram!("otpost_ingest_duration_seconds", "kind" => kind).record(began.elapsed().as_secs_f64());
    let mut answer = match result {
        Ok(Handled::Notification(_)) => HttpResponse::NoContent().finish(),
        Ok(Handled::PublicKey(key)) => HttpResponse::Ok().content_type("application/json").body(key.to_string()),
        Err(problem) => problem.respond(),
    };
    if state.shutdown.closing.load(Ordering::Relaxed) {
        answer.head_mut().set_connection_type(ConnectionType::Close);
    }
    answer
}

// The processor and the kind, by the path alone, so that rejected requests have them too.
fn labels(request: &HttpRequest, state: &AppState) -> (&'static str, &'static str) {
    match path(request, state) {
        Some(PUBLIC_KEY) => ("none", "public_key"),
        Some(path) => {
            processor::at(path).map_or(("none", "none"), |(processor, endpoint)| (processor.name, endpoint.kind.name()))
        }
        None => ("none", "none"),
    }
}

// The client is known even when its request is rejected, unless it is not authorized at all.
async fn try_handle(
    request: &HttpRequest,
    payload: Payload,
    state: &AppState,
) -> (Option<ClientName>, Result<Handled, Problem>) {
    let now = state.clocks.wall.now();
    let is_read = path(request, state) == Some(PUBLIC_KEY) && matches!(*request.method(), Method::GET | Method::HEAD);
    let access = if is_read { Access::Read } else { Access::Write };
    // First of all: a client that is not authorized does not learn which paths exist.
    match state.authorizer.authorize(request, access, now) {
        Ok(client) => (Some(client.name.clone()), answer(request, payload, state, client, now).await),
        Err(Unauthorized { problem, client }) => (client, Err(problem)),
    }
}

fn path<'a>(request: &'a HttpRequest, state: &AppState) -> Option<&'a str> {
    request.uri().path().strip_prefix(state.base_path.as_str())
}

async fn answer(
    request: &HttpRequest,
    payload: Payload,
    state: &AppState,
    client: Client,
    now: Timestamp,
) -> Result<Handled, Problem> {
    let path = path(request, state).ok_or(Problem::NotFound)?;
    if path == PUBLIC_KEY {
        return public_key(request, state, now).map(Handled::PublicKey);
    }
    let (_, endpoint) = processor::at(path).ok_or(Problem::NotFound)?;
    if request.method() != Method::POST {
        return Err(Problem::MethodNotAllowed("POST"));
    }
    if state.shutdown.closed.load(Ordering::Relaxed) {
        return Err(Problem::Unavailable);
    }
    body::check_headers(request)?;
    let key = body::idempotency_key(request)?;
    let Client { name, certificate, jwe } = client;
    // A notification is from the future only if both clocks say so: after a clock was set back, valid ones must pass.
    let latest = now.max(state.clocks.steady.now());
    let parse = |bytes: &[u8]| endpoint.parse(bytes, name.clone(), key.clone(), latest);
    let mut notification = read_notification(request, payload, state, jwe, parse).await?;
    notification.certificate = Some(certificate.id.clone());
    Ok(Handled::Notification(state.intake.accept(notification).await?))
}

fn public_key(request: &HttpRequest, state: &AppState, now: Timestamp) -> Result<Arc<str>, Problem> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Problem::MethodNotAllowed("GET, HEAD"));
    }
    body::refuse(request)?;
    state.decryptor.public_key(now)
}

/// Reads the body, decrypts it if it is encrypted, and parses it with `parse`.
async fn read_notification(
    request: &HttpRequest,
    payload: Payload,
    state: &AppState,
    policy: Jwe,
    parse: impl Fn(&[u8]) -> Result<IncomingNotification, Problem>,
) -> Result<IncomingNotification, Problem> {
    const NOT_ACCEPTED: Problem = Problem::Invalid("", "encrypted bodies are not accepted from this client");
    const REQUIRED: Problem = Problem::Invalid("", "only encrypted bodies are accepted from this client");
    if jwe::envelope::announced(request) {
        if policy == Jwe::Off {
            return Err(NOT_ACCEPTED);
        }
        let body = body::read_encrypted(request, payload).await?;
        return match opened(&body, state).await {
            Ok(plaintext) => parse(&plaintext),
            Err(problem) if policy == Jwe::Optional => parse_announced(&body, problem, parse),
            Err(problem) => Err(problem),
        };
    }
    let body = body::read(request, payload).await?;
    match (jwe::envelope::unannounced(&body), policy) {
        (Some(_), Jwe::Off) => Err(NOT_ACCEPTED),
        (Some(sealed), _) => parse(&state.decryptor.open(sealed).await?),
        (None, Jwe::Required) => Err(REQUIRED),
        (None, _) => parse(&body),
    }
}

async fn opened(body: &[u8], state: &AppState) -> Result<Zeroizing<Vec<u8>>, Problem> {
    state.decryptor.open(jwe::envelope::payload(body)?).await
}

// A plain body that was announced as encrypted: a sender's mistake that must not cost a code. Any body that cannot be read
// gets the answer of one that cannot be decrypted.
fn parse_announced(
    body: &[u8],
    problem: Problem,
    parse: impl Fn(&[u8]) -> Result<IncomingNotification, Problem>,
) -> Result<IncomingNotification, Problem> {
    if body.len() > body::BODY_MAX || !matches!(problem, Problem::Undecipherable(_)) {
        return Err(problem);
    }
    let mut notification = parse(body).map_err(|_| problem)?;
    notification.warnings.push(Warning { field: jwe::envelope::HEADER, what: "true, but the body is not encrypted" });
    Ok(notification)
}
