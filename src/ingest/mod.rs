//! The processors' door: mutual TLS, HTTP, a wire contract; it parses, calls one flow, and answers.
//!
//! It knows no database and no provider. Whoever may not speak gets no further than `gate`; whatever cannot be read
//! gets no further than the contract's own file. No answer ever repeats input.

mod answer;
pub mod bare;
mod body;
pub mod contract;
mod decryptor;
mod envelope;
mod fields;
mod gate;
pub mod jwe;
mod tls;
pub mod verestro;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::{KeepAlive, Method};
use actix_web::web::{Data, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use openssl::ssl::SslAcceptorBuilder;
use serde::Deserialize;

use zeroize::Zeroizing;

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::notification::ClientName;
use crate::flow::intake::{Answer, Intake};
use crate::pki::encryption::{self, Format};
use answer::Problem;
use gate::Gate;

pub use decryptor::Decryptor;
pub use gate::{ClientSettings, Jwe};

/// A sender that does not keep its connection pays a whole handshake for each code.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Time for the request line and headers, from the first byte.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);

/// Connections in all; one processor needs a few dozen.
const CONNECTIONS_MAX: usize = 512;

/// Handshakes at once and thread: more would starve the requests on open connections.
const HANDSHAKES_MAX: usize = 64;

/// Time for accepted requests to be answered once we were told to stop.
const SHUTDOWN_SECONDS: u64 = 5;

/// Where senders fetch the key that they encrypt to.
const PUBLIC_KEY: &str = "/public-key";

/// `[ingest]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port to listen on.
    pub listen: String,
    /// Our certificate and the chain above it, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// The authority that signs the processors' certificates, PEM.
    pub client_ca: PathBuf,
    /// The folder of the keys that senders encrypt to, as `otpost key` keeps it.
    pub encryption_keys: PathBuf,
    /// How the public one of them is handed out.
    pub public_key_format: Format,
    /// What all paths begin with; empty for none, else such as `/otpost`.
    pub base_path: String,
    /// Threads that read and answer.
    pub threads: usize,
    /// Who may speak.
    pub client: Vec<ClientSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8443".to_owned(),
            certificate: PathBuf::from("pki/server.pem"),
            key: PathBuf::from("pki/server.key"),
            client_ca: PathBuf::from("pki/client-ca.pem"),
            encryption_keys: PathBuf::from("pki/encryption"),
            public_key_format: Format::default(),
            base_path: String::new(),
            threads: 1,
            client: Vec::new(),
        }
    }
}

impl Settings {
    /// The handshake this door demands, for whoever measures a server with nothing behind it.
    pub fn handshake(&self) -> Result<SslAcceptorBuilder, Error> {
        tls::acceptor(self)
    }
}

/// Why the door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is missing or is not what it should be.
    #[error("{key} {}: {what}", path.display())]
    File {
        /// The configuration's name for it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A setting cannot be used.
    #[error("{key}: {what}")]
    Setting {
        /// Which.
        key: String,
        /// What was expected.
        what: String,
    },
    /// The port is taken, or not ours to take.
    #[error("cannot listen on {listen}")]
    Listen {
        /// Address and port.
        listen: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The keys that senders encrypt to cannot be used.
    #[error("ingest.encryption_keys")]
    Encryption(#[source] encryption::Error),
    /// OpenSSL refused.
    #[error("the TLS library failed")]
    OpenSsl(#[from] openssl::error::ErrorStack),
}

/// What the handlers of one door share.
struct Door {
    gate: Gate,
    decryptor: Arc<Decryptor>,
    intake: Intake,
    clock: Arc<dyn Clock>,
    base_path: String,
    draining: Arc<AtomicBool>,
}

/// An open door.
pub struct Listener {
    /// Where it listens, with the port that was given when the configured one is 0.
    pub address: SocketAddr,
    decryptor: Arc<Decryptor>,
    handle: ServerHandle,
    draining: Arc<AtomicBool>,
}

impl Listener {
    /// What opens encrypted bodies: for whoever has new keys for it.
    pub fn decryptor(&self) -> &Decryptor {
        &self.decryptor
    }

    /// Answers what has arrived, takes nothing more, and closes.
    pub async fn stop(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.handle.stop(true).await;
    }
}

/// Checks settings and files as [`listen`] would use them, without listening.
pub fn check(settings: &Settings) -> Result<(), Error> {
    tls::acceptor(settings)?;
    Gate::new(&settings.client)?;
    Decryptor::load(settings)?;
    base_path(settings)?;
    Ok(())
}

/// Opens the door. The future serves until [`Listener::stop`].
pub fn listen(
    settings: &Settings,
    intake: Intake,
    clock: Arc<dyn Clock>,
) -> Result<(Listener, impl Future<Output = std::io::Result<()>> + use<>), Error> {
    let draining = Arc::new(AtomicBool::new(false));
    let decryptor = Arc::new(Decryptor::load(settings)?);
    let door = Data::new(Door {
        gate: Gate::new(&settings.client)?,
        decryptor: Arc::clone(&decryptor),
        intake,
        clock,
        base_path: base_path(settings)?,
        draining: Arc::clone(&draining),
    });
    let failed = |source| Error::Listen { listen: settings.listen.clone(), source };
    let server = HttpServer::new(move || App::new().app_data(door.clone()).default_service(web::to(serve)))
        .on_connect(gate::introduce)
        .workers(settings.threads.max(1))
        .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
        .client_request_timeout(HEAD_TIMEOUT)
        .tls_handshake_timeout(HANDSHAKE_TIMEOUT)
        .max_connections(CONNECTIONS_MAX)
        .max_connection_rate(HANDSHAKES_MAX)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .disable_signals()
        .bind_openssl(&settings.listen, tls::acceptor(settings)?)
        .map_err(failed)?;
    let address = server.addrs().first().copied().ok_or(std::io::ErrorKind::AddrNotAvailable.into()).map_err(failed)?;
    let server = server.run();
    Ok((Listener { address, decryptor, handle: server.handle(), draining }, server))
}

fn base_path(settings: &Settings) -> Result<String, Error> {
    let path = &settings.base_path;
    if path.is_empty() || (path.starts_with('/') && !path.ends_with('/') && !path.contains("//")) {
        return Ok(path.clone());
    }
    let what = "expected nothing, or a path such as /otpost without a slash at its end".to_owned();
    Err(Error::Setting { key: "ingest.base_path".to_owned(), what })
}

// One handler for everything: the path is compared as it was sent, before anybody decodes or normalises it.
async fn serve(request: HttpRequest, payload: Payload, door: Data<Door>) -> HttpResponse {
    let outcome = hear(&request, payload, &door).await;
    let label = outcome.as_ref().map_or_else(Problem::label, |heard| match heard {
        Heard::Notification(Answer::Taken(_)) => "taken",
        Heard::Notification(Answer::Replayed(_)) => "replayed",
        Heard::PublicKey(_) => "public_key",
    });
    metrics::counter!("otpost_ingest_requests_total", "outcome" => label).increment(1);
    match outcome {
        Ok(Heard::Notification(_)) => HttpResponse::NoContent().finish(),
        Ok(Heard::PublicKey(answer)) => HttpResponse::Ok().content_type("application/json").body(answer.to_string()),
        Err(problem) => problem.respond(),
    }
}

/// What a request was about, when it was answered as its sender wished.
enum Heard {
    Notification(Answer),
    PublicKey(Arc<str>),
}

async fn hear(request: &HttpRequest, payload: Payload, door: &Door) -> Result<Heard, Problem> {
    let now = door.clock.now();
    let client = door.gate.admit(request, now)?;
    let path = request.uri().path().strip_prefix(door.base_path.as_str()).ok_or(Problem::NotFound)?;
    if path == PUBLIC_KEY {
        return public_key(request, door, now).map(Heard::PublicKey);
    }
    let endpoint = verestro::Endpoint::at(path).ok_or(Problem::NotFound)?;
    if request.method() != Method::POST {
        return Err(Problem::MethodNotAllowed("POST"));
    }
    if door.draining.load(Ordering::Relaxed) {
        return Err(Problem::Unavailable);
    }
    body::check_headers(request)?;
    let key = body::idempotency_key(request)?;
    let bytes = plaintext(request, payload, door, client.jwe).await?;
    let arrival = endpoint.read(&bytes, ClientName(client.name.clone()), key, now)?;
    drop(bytes);
    Ok(Heard::Notification(door.intake.take(arrival).await?))
}

fn public_key(request: &HttpRequest, door: &Door, now: Timestamp) -> Result<Arc<str>, Problem> {
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
    door: &Door,
    policy: Jwe,
) -> Result<Zeroizing<Vec<u8>>, Problem> {
    if envelope::announced(request) {
        if policy == Jwe::Off {
            return Err(Problem::Invalid("", "encrypted bodies are not taken from this client"));
        }
        let body = body::read_encrypted(request, payload).await?;
        return door.decryptor.open(envelope::payload(&body)?).await;
    }
    let body = body::read(request, payload).await?;
    match (envelope::unannounced(&body), policy) {
        (Some(_), Jwe::Off) => Err(Problem::Invalid("", "encrypted bodies are not taken from this client")),
        (Some(sealed), _) => door.decryptor.open(sealed).await,
        (None, Jwe::Required) => Err(Problem::Invalid("", "only encrypted bodies are taken from this client")),
        (None, _) => Ok(body),
    }
}
