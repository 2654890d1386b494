//! Whose a request is, and whether it may be made: asked first, on every one.
//!
//! Whoever arrives without an identity is refused: the callback that notes it when a connection is made cannot be
//! forgotten without every request failing.

use std::sync::Arc;

use actix_web::HttpRequest;
use arc_swap::ArcSwap;

use super::answer::Problem;
use super::gate::Errand;
use super::peer::Peer;
use super::proxy::{self, Unclear};
use super::reason::Reason;
use super::reception::Caller;
use super::refusals::{At, Refusals};
use super::settings::Jwe;
use super::terms::Terms;
use crate::domain::clock::Timestamp;
use crate::domain::notification::ClientName;
use crate::flow::journal::Shown;

/// What is asked for whom a request is from.
pub(super) struct Admission {
    pub(super) terms: Arc<ArcSwap<Terms>>,
    /// Those for the proxy itself.
    pub(super) proxy_terms: Option<Arc<ArcSwap<Terms>>>,
    pub(super) refusals: Arc<Refusals>,
}

/// Who was let in.
#[derive(Debug)]
pub(super) struct Client {
    /// As configured.
    pub(super) name: ClientName,
    /// Whether it encrypts its bodies.
    pub(super) jwe: Jwe,
}

impl Admission {
    /// Whoever sent the request, if they may.
    pub(super) fn admit(&self, request: &HttpRequest, errand: Errand, now: Timestamp) -> Result<Client, Problem> {
        let peer = self.caller(request, now)?;
        match self.terms.load().gate.admit(&peer, errand, now) {
            Ok(client) => Ok(Client { name: ClientName(client.name.clone()), jwe: client.jwe }),
            Err(reason) => Err(self.refuse(request, reason, Some(peer.shown.clone()))),
        }
    }

    fn caller(&self, request: &HttpRequest, now: Timestamp) -> Result<Arc<Peer>, Problem> {
        match request.conn_data::<Caller>() {
            None => {
                tracing::error!("a request without a certificate reached the gate and was refused");
                Err(Problem::Forbidden)
            }
            Some(Caller::Client(peer)) => {
                if request.headers().contains_key(proxy::CLIENT_CERT) {
                    metrics::counter!("otpost_ingest_forged_headers_total").increment(1);
                }
                Ok(Arc::clone(peer))
            }
            Some(Caller::Proxy(own)) => {
                if let (Some(own), Some(terms)) = (own, &self.proxy_terms) {
                    let admitted = terms.load().gate.admit(own, Errand::Act, now).map(drop);
                    admitted.map_err(|reason| self.refuse(request, reason, Some(own.shown.clone())))?;
                }
                proxy::client(request.headers(), &self.terms.load()).map_err(|unclear| match unclear {
                    Unclear::Unreadable => Problem::Broken,
                    Unclear::Refused(reason, shown) => self.refuse(request, reason, shown),
                })
            }
        }
    }

    fn refuse(&self, request: &HttpRequest, reason: Reason, shown: Option<Shown>) -> Problem {
        self.refusals.note(At::Request, reason, shown, request.peer_addr().map(|address| address.ip()));
        Problem::Forbidden
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::domain::clock::{Clock, SystemClock};
    use crate::ingest::{ClientSettings, Role, Settings, tls};
    use crate::pki::{self, Authority};

    fn door(folder: &std::path::Path, client: ClientSettings) -> Settings {
        let authority = Authority::create("Practice CA", 10, SystemClock.now()).unwrap();
        let server = authority.issue_server(&["localhost".to_owned()], 10, SystemClock.now()).unwrap();
        let settings = Settings {
            certificate: folder.join("server.pem"),
            key: folder.join("server.key"),
            client_ca: folder.join("ca.pem"),
            client: vec![client],
            ..Settings::default()
        };
        pki::write_certificate(&settings.client_ca, authority.certificate()).unwrap();
        pki::write_certificate(&settings.certificate, &server.certificate).unwrap();
        pki::write_key(&settings.key, &server.key).unwrap();
        settings
    }

    #[test]
    fn a_request_on_a_connection_of_which_nothing_was_noted_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let anybody = ClientSettings {
            name: "anybody".to_owned(),
            spki: Vec::new(),
            subject: Some(String::new()),
            role: Role::Processor,
            jwe: Jwe::Off,
        };
        let terms = Terms::read(&door(folder.path(), anybody), tls::new_note().unwrap()).unwrap();
        let admission =
            Admission { terms: Arc::new(ArcSwap::from_pointee(terms)), proxy_terms: None, refusals: Arc::default() };
        let request = TestRequest::post().uri("/notifications/otp").insert_header((proxy::CLIENT_CERT, ":AA==:"));

        let refused = admission.admit(&request.to_http_request(), Errand::Look, SystemClock.now());

        assert_eq!(refused.unwrap_err(), Problem::Forbidden);
    }
}
