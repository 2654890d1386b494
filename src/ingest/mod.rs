//! The processors' door: mutual TLS, HTTP, a wire contract; it parses, calls one flow, and answers.
//!
//! It knows no database and no provider. Whoever may not speak gets no further than `gate`; whatever cannot be read
//! gets no further than the contract's own file. No answer ever repeats input.

mod body;
mod connection;
mod fields;
pub mod fuzz_api;
pub mod jwe;
mod mtls;
pub mod openapi;
mod problem;
mod settings;
pub mod verestro;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::{ConnectionType, Method};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use arc_swap::ArcSwap;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::domain::clock::{Clocks, Timestamp};
use crate::flow::audit::AuditLog;
use crate::flow::intake::{Intake, IntakeResult};
use connection::acceptor::{Acceptor, ConnectionLimiter, RequestState};
use jwe::decryptor::{DecryptionKeys, Decryptor};
use mtls::admission::{Admission, Client};
use mtls::authorize::Access;
use mtls::rejection_log::RejectionLog;
use mtls::trust::{ExpiryMonitor, TrustStore};
use problem::Problem;

pub use mtls::trust::Reloaded;
pub use settings::{ClientSettings, CrlExpired, Error, Jwe, MinVersion, ProxySettings, Role, Settings};

/// What the handlers of one door share.
struct AppState {
    admission: Admission,
    decryptor: Arc<Decryptor>,
    intake: Intake,
    clocks: Clocks,
    base_path: String,
    closing: Arc<ShutdownState>,
}

/// Where the key is that bodies may be encrypted for.
const PUBLIC_KEY: &str = "/public-key";

/// How far a door is from being closed.
#[derive(Default)]
struct ShutdownState {
    last_call: AtomicBool,
    closed: AtomicBool,
}

/// Between the order to stop and the end of keeping connections. Whoever has sent a request before is not to lose it,
/// and what still lies in a socket then would be thrown away: time to read it under any load.
const LAST_CALL: Duration = Duration::from_millis(500);

/// An open door.
pub struct Listener {
    /// Where it listens, with the port that was given when the configured one is 0.
    pub address: SocketAddr,
    /// Where a proxy gets in over TLS, if one may.
    pub proxy_address: Option<SocketAddr>,
    handle: ServerHandle,
    closing: Arc<ShutdownState>,
    decryptor: Arc<Decryptor>,
    reception: Acceptor,
    for_proxy: Option<Acceptor>,
}

impl Listener {
    /// Answers what has arrived, takes nothing more, and closes. From the beginning each answer ends its connection.
    pub async fn stop(&self) {
        self.closing.last_call.store(true, Ordering::Relaxed);
        tokio::time::sleep(LAST_CALL).await;
        self.closing.closed.store(true, Ordering::Relaxed);
        self.handle.stop(true).await;
    }

    /// Goes by new files and a new list of clients from now on: in handshakes, and on the next request of every open
    /// connection. When anything in them is wrong, all of the old stays.
    pub fn reload(&self, settings: &Settings) -> Result<Reloaded, Error> {
        let new = Arc::new(TrustStore::read(settings, self.reception.note)?);
        let for_proxy = match &self.for_proxy {
            Some(reception) => Some((reception, proxy_terms(settings, reception.note)?)),
            None => None,
        };
        let keys = DecryptionKeys::read(settings)?;
        // Everything has been read: from here on nothing fails.
        if let Some((reception, terms)) = for_proxy {
            reception.terms.store(Arc::new(terms));
        }
        self.decryptor.exchange(keys);
        let old = self.reception.terms.swap(Arc::clone(&new));
        Ok(Reloaded::between(&old, &new))
    }
}

/// Checks settings and files as [`listen`] would use them, without listening.
pub fn check(settings: &Settings) -> Result<(), Error> {
    let note = mtls::tls::new_note()?;
    TrustStore::read(settings, note)?;
    settings.trusted_proxy.check()?;
    if settings.trusted_proxy.is_on() {
        proxy_terms(settings, note)?;
    }
    DecryptionKeys::read(settings)?;
    settings.checked_base_path()?;
    Ok(())
}

// A proxy on a socket shows no certificate; nobody is let in by these terms then.
fn proxy_terms(settings: &Settings, note: mtls::tls::HandshakeResultIndex) -> Result<TrustStore, Error> {
    settings.trusted_proxy.check()?;
    let mut as_door = settings.trusted_proxy.as_door(settings);
    if settings.trusted_proxy.has_socket() {
        as_door.client.clear();
        as_door.client_ca.clone_from(&settings.client_ca);
    }
    TrustStore::read(&as_door, note)
}

/// Opens the door. The future serves until [`Listener::stop`].
pub fn listen(
    settings: &Settings,
    intake: Intake,
    audit_log: AuditLog,
    clocks: Clocks,
) -> Result<(Listener, impl Future<Output = std::io::Result<()>> + use<>), Error> {
    let note = mtls::tls::new_note()?;
    let reception = Acceptor {
        terms: Arc::new(ArcSwap::from_pointee(TrustStore::read(settings, note)?)),
        note,
        places: Arc::<ConnectionLimiter>::default(),
        refusals: Arc::<RejectionLog>::default(),
        calendar: Arc::<ExpiryMonitor>::default(),
        clock: Arc::clone(&clocks.wall),
        for_proxy: false,
    };
    settings.trusted_proxy.check()?;
    let for_proxy = settings.trusted_proxy.is_on().then(|| proxy_terms(settings, note)).transpose()?;
    let for_proxy = for_proxy.map(|terms| {
        let terms = Arc::new(ArcSwap::from_pointee(terms));
        Acceptor { terms, places: Arc::default(), for_proxy: true, ..reception.clone() }
    });
    let closing = Arc::<ShutdownState>::default();
    let decryptor = Arc::new(Decryptor::new(DecryptionKeys::read(settings)?));
    let door = Data::new(AppState {
        admission: Admission {
            terms: Arc::clone(&reception.terms),
            proxy_terms: for_proxy.as_ref().map(|reception| Arc::clone(&reception.terms)),
            refusals: Arc::clone(&reception.refusals),
        },
        decryptor: Arc::clone(&decryptor),
        intake,
        clocks,
        base_path: settings.checked_base_path()?,
        closing: Arc::clone(&closing),
    });
    let failed = |source| Error::Listen { listen: settings.listen.clone(), source };
    let (addresses, server) =
        connection::server::open(settings, &reception, for_proxy.as_ref(), &door).map_err(failed)?;
    let address = addresses.first().copied().ok_or(std::io::ErrorKind::AddrNotAvailable.into()).map_err(failed)?;
    let over_tls = !settings.trusted_proxy.listen.is_empty();
    let proxy_address = addresses.last().copied().filter(|_| over_tls);
    let handle = server.handle();
    let serving = connection::server::until_it_ends(server, reception.clone(), audit_log);
    Ok((Listener { address, proxy_address, handle, closing, decryptor, reception, for_proxy }, serving))
}

// One handler for everything: the path is compared as it was sent, before anybody decodes or normalises it.
async fn serve(request: HttpRequest, payload: Payload, door: Data<AppState>) -> HttpResponse {
    let _work = request.conn_data::<Rc<RequestState>>().map(RequestState::work);
    let began = Instant::now();
    let event = event(&request, &door);
    let outcome = hear(&request, payload, &door).await;
    let label = outcome.as_ref().map_or_else(Problem::label, |heard| match heard {
        Handled::Notification(IntakeResult::Taken(_)) => "taken",
        Handled::Notification(IntakeResult::Replayed(_)) => "replayed",
        Handled::PublicKey(_) => "public_key",
    });
    count(event, label);
    metrics::histogram!("otpost_ingest_duration_seconds", "kind" => event).record(began.elapsed().as_secs_f64());
    let mut answer = match outcome {
        Ok(Handled::Notification(_)) => HttpResponse::NoContent().finish(),
        Ok(Handled::PublicKey(answer)) => HttpResponse::Ok().content_type("application/json").body(answer.to_string()),
        Err(problem) => problem.respond(),
    };
    if door.closing.last_call.load(Ordering::Relaxed) {
        answer.head_mut().set_connection_type(ConnectionType::Close);
    }
    answer
}

fn count(event: &'static str, outcome: &'static str) {
    let profile = verestro::PROFILE;
    metrics::counter!("otpost_ingest_requests_total", "processor" => profile, "kind" => event, "outcome" => outcome)
        .increment(1);
}

// By the path alone, so that it can be said of a request that is refused too.
fn event(request: &HttpRequest, door: &AppState) -> &'static str {
    match request.uri().path().strip_prefix(door.base_path.as_str()) {
        Some(PUBLIC_KEY) => "public_key",
        Some(path) => verestro::Endpoint::at(path).map_or("none", |endpoint| endpoint.kind().name()),
        None => "none",
    }
}

/// What a request was about, when it was answered as its sender wished.
enum Handled {
    Notification(IntakeResult),
    PublicKey(Arc<str>),
}

async fn hear(request: &HttpRequest, payload: Payload, door: &AppState) -> Result<Handled, Problem> {
    let now = door.clocks.wall.now();
    let path = request.uri().path().strip_prefix(door.base_path.as_str());
    let is_look = path == Some(PUBLIC_KEY) && matches!(*request.method(), Method::GET | Method::HEAD);
    let errand = if is_look { Access::Read } else { Access::Write };
    // First of all: a stranger is not even told which paths there are.
    let Client { name, jwe } = door.admission.admit(request, errand, now)?;
    let path = path.ok_or(Problem::NotFound)?;
    if path == PUBLIC_KEY {
        return public_key(request, door, now).map(Handled::PublicKey);
    }
    let endpoint = verestro::Endpoint::at(path).ok_or(Problem::NotFound)?;
    if request.method() != Method::POST {
        return Err(Problem::MethodNotAllowed("POST"));
    }
    if door.closing.closed.load(Ordering::Relaxed) {
        return Err(Problem::Unavailable);
    }
    body::check_headers(request)?;
    let key = body::idempotency_key(request)?;
    let bytes = plaintext(request, payload, door, jwe).await?;
    // News are from the future when both clocks say so: one that was set back must not refuse what is true.
    let arrival = endpoint.read(&bytes, name, key, now.max(door.clocks.steady.now()))?;
    drop(bytes);
    Ok(Handled::Notification(door.intake.take(arrival).await?))
}

fn public_key(request: &HttpRequest, door: &AppState, now: Timestamp) -> Result<Arc<str>, Problem> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Problem::MethodNotAllowed("GET, HEAD"));
    }
    body::refuse(request)?;
    door.decryptor.public_key(now)
}

/// The body as the contract's own file reads it, opened when it came encrypted.
async fn plaintext(
    request: &HttpRequest,
    payload: Payload,
    door: &AppState,
    policy: Jwe,
) -> Result<Zeroizing<Vec<u8>>, Problem> {
    if jwe::envelope::announced(request) {
        if policy == Jwe::Off {
            return Err(Problem::Invalid("", "encrypted bodies are not taken from this client"));
        }
        let body = body::read_encrypted(request, payload).await?;
        return door.decryptor.open(jwe::envelope::payload(&body)?).await;
    }
    let body = body::read(request, payload).await?;
    match (jwe::envelope::unannounced(&body), policy) {
        (Some(_), Jwe::Off) => Err(Problem::Invalid("", "encrypted bodies are not taken from this client")),
        (Some(sealed), _) => door.decryptor.open(sealed).await,
        (None, Jwe::Required) => Err(Problem::Invalid("", "only encrypted bodies are taken from this client")),
        (None, _) => Ok(body),
    }
}
