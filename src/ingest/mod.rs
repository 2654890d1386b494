//! The processors' door: mutual TLS, HTTP, a wire contract; it parses, calls one flow, and answers.
//!
//! It knows no database and no provider. Whoever may not speak gets no further than `gate`; whatever cannot be read
//! gets no further than the contract's own file. No answer ever repeats input.

mod answer;
mod body;
mod expiry;
mod fields;
mod gate;
mod line;
mod material;
mod peer;
mod places;
mod reason;
mod reception;
mod refusals;
mod reloaded;
mod revocation;
mod serving;
mod settings;
mod terms;
mod tls;
pub mod verestro;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::dev::ServerHandle;
use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use arc_swap::ArcSwap;

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::notification::ClientName;
use crate::flow::intake::{Answer, Intake};
use crate::flow::journal::Journal;
use answer::Problem;
use expiry::Calendar;
use gate::Errand;
use line::Pace;
use peer::Peer;
use places::Places;
use reception::Reception;
use refusals::{At, Refusals};
use terms::Terms;

pub use gate::{ClientSettings, Role};
pub use reloaded::Reloaded;
pub use settings::{CrlExpired, MinVersion, Settings};

/// Where the key is that bodies may be encrypted for.
const PUBLIC_KEY: &str = "/public-key";

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
    /// OpenSSL refused.
    #[error("the TLS library failed")]
    OpenSsl(#[from] openssl::error::ErrorStack),
}

/// What the handlers of one door share.
struct Door {
    terms: Arc<ArcSwap<Terms>>,
    refusals: Arc<Refusals>,
    intake: Intake,
    clock: Arc<dyn Clock>,
    base_path: String,
    draining: Arc<AtomicBool>,
}

/// An open door.
pub struct Listener {
    /// Where it listens, with the port that was given when the configured one is 0.
    pub address: SocketAddr,
    handle: ServerHandle,
    draining: Arc<AtomicBool>,
    reception: Reception,
}

impl Listener {
    /// Answers what has arrived, takes nothing more, and closes.
    pub async fn stop(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.handle.stop(true).await;
    }

    /// Goes by new files and a new list of clients from now on: in handshakes, and on the next request of every open
    /// connection. When anything in them is wrong, all of the old stays.
    pub fn reload(&self, settings: &Settings) -> Result<Reloaded, Error> {
        let new = Arc::new(Terms::read(settings, self.reception.note)?);
        let old = self.reception.terms.swap(Arc::clone(&new));
        Ok(Reloaded::between(&old, &new))
    }
}

/// Checks settings and files as [`listen`] would use them, without listening.
pub fn check(settings: &Settings) -> Result<(), Error> {
    Terms::read(settings, tls::new_note()?)?;
    settings.checked_base_path()?;
    Ok(())
}

/// Opens the door. The future serves until [`Listener::stop`].
pub fn listen(
    settings: &Settings,
    intake: Intake,
    journal: Journal,
    clock: Arc<dyn Clock>,
) -> Result<(Listener, impl Future<Output = std::io::Result<()>> + use<>), Error> {
    let note = tls::new_note()?;
    let reception = Reception {
        terms: Arc::new(ArcSwap::from_pointee(Terms::read(settings, note)?)),
        note,
        places: Arc::<Places>::default(),
        refusals: Arc::<Refusals>::default(),
        calendar: Arc::<Calendar>::default(),
        clock: Arc::clone(&clock),
    };
    let draining = Arc::new(AtomicBool::new(false));
    let door = Data::new(Door {
        terms: Arc::clone(&reception.terms),
        refusals: Arc::clone(&reception.refusals),
        intake,
        clock,
        base_path: settings.checked_base_path()?,
        draining: Arc::clone(&draining),
    });
    let failed = |source| Error::Listen { listen: settings.listen.clone(), source };
    let (address, server) = serving::open(settings, &reception, &door).map_err(failed)?;
    let handle = server.handle();
    let serving = serving::until_it_ends(server, reception.clone(), journal);
    Ok((Listener { address, handle, draining, reception }, serving))
}

// One handler for everything: the path is compared as it was sent, before anybody decodes or normalises it.
async fn serve(request: HttpRequest, payload: Payload, door: Data<Door>) -> HttpResponse {
    let _work = request.conn_data::<Rc<Pace>>().map(Pace::work);
    let outcome = take(&request, payload, &door).await;
    let label = outcome.as_ref().map_or_else(Problem::label, |answer| match answer {
        Answer::Taken(_) => "taken",
        Answer::Replayed(_) => "replayed",
    });
    metrics::counter!("otpost_ingest_requests_total", "outcome" => label).increment(1);
    match outcome {
        Ok(_) => HttpResponse::NoContent().finish(),
        Err(problem) => problem.respond(),
    }
}

impl Door {
    /// The configured name of whoever sent the request.
    fn admit(&self, request: &HttpRequest, now: Timestamp) -> Result<ClientName, Problem> {
        let Some(peer) = request.conn_data::<Arc<Peer>>() else {
            tracing::error!("a request without a certificate reached the gate and was refused");
            return Err(Problem::Forbidden);
        };
        let path = request.uri().path().strip_prefix(self.base_path.as_str());
        let look = path == Some(PUBLIC_KEY) && matches!(*request.method(), Method::GET | Method::HEAD);
        let errand = if look { Errand::Look } else { Errand::Act };
        match self.terms.load().gate.admit(peer, errand, now) {
            Ok(client) => Ok(ClientName(client.name.clone())),
            Err(reason) => {
                let source = request.peer_addr().map(|address| address.ip());
                self.refusals.note(At::Request, reason, Some(peer.shown.clone()), source);
                Err(Problem::Forbidden)
            }
        }
    }
}

async fn take(request: &HttpRequest, payload: Payload, door: &Door) -> Result<Answer, Problem> {
    let now = door.clock.now();
    let client = door.admit(request, now)?;
    let path = request.uri().path().strip_prefix(door.base_path.as_str()).ok_or(Problem::NotFound)?;
    let endpoint = verestro::Endpoint::at(path).ok_or(Problem::NotFound)?;
    if request.method() != Method::POST {
        return Err(Problem::MethodNotAllowed("POST"));
    }
    if door.draining.load(Ordering::Relaxed) {
        return Err(Problem::Unavailable);
    }
    body::check_headers(request)?;
    let key = body::idempotency_key(request)?;
    let bytes = body::read(request, payload).await?;
    let arrival = endpoint.read(&bytes, client, key, now)?;
    drop(bytes);
    Ok(door.intake.take(arrival).await?)
}
