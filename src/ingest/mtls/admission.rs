//! Whose a request is, and whether it may be made: asked first, on every one.
//!
//! Whoever arrives without an identity is refused: the callback that notes it when a connection is made cannot be
//! forgotten without every request failing.

use std::sync::Arc;

use actix_web::HttpRequest;
use arc_swap::ArcSwap;

use super::authorize::Access;
use super::client_cert::ClientCert;
use super::reason::RejectReason;
use super::rejection_log::{RejectionLog, RejectionStage};
use super::trust::TrustStore;
use super::trusted_proxy;
use super::trusted_proxy::ProxyHeaderError;
use crate::domain::clock::Timestamp;
use crate::domain::notification::ClientName;
use crate::flow::audit::CertificateId;
use crate::ingest::connection::acceptor::PeerIdentity;
use crate::ingest::problem::Problem;
use crate::ingest::settings::Jwe;

/// What is asked for whom a request is from.
pub(crate) struct Admission {
    pub(crate) terms: Arc<ArcSwap<TrustStore>>,
    /// Those for the proxy itself.
    pub(crate) proxy_terms: Option<Arc<ArcSwap<TrustStore>>>,
    pub(crate) refusals: Arc<RejectionLog>,
}

/// Who was let in.
#[derive(Debug)]
pub(crate) struct Client {
    /// As configured.
    pub(crate) name: ClientName,
    /// Whether it encrypts its bodies.
    pub(crate) jwe: Jwe,
}

impl Admission {
    /// Whoever sent the request, if they may.
    pub(crate) fn admit(&self, request: &HttpRequest, errand: Access, now: Timestamp) -> Result<Client, Problem> {
        let peer = self.caller(request, now)?;
        match self.terms.load().gate.admit(&peer, errand, now) {
            Ok(client) => Ok(Client { name: ClientName(client.name.clone()), jwe: client.jwe }),
            Err(reason) => Err(self.refuse(request, reason, Some(peer.shown.clone()))),
        }
    }

    fn caller(&self, request: &HttpRequest, now: Timestamp) -> Result<Arc<ClientCert>, Problem> {
        match request.conn_data::<PeerIdentity>() {
            None => {
                tracing::error!("a request without a certificate reached the gate and was refused");
                Err(Problem::Forbidden)
            }
            Some(PeerIdentity::Client(peer)) => {
                if request.headers().contains_key(trusted_proxy::CLIENT_CERT) {
                    metrics::counter!("otpost_ingest_forged_headers_total").increment(1);
                }
                Ok(Arc::clone(peer))
            }
            Some(PeerIdentity::Proxy(own)) => {
                if let (Some(own), Some(terms)) = (own, &self.proxy_terms) {
                    let admitted = terms.load().gate.admit(own, Access::Write, now).map(drop);
                    admitted.map_err(|reason| self.refuse(request, reason, Some(own.shown.clone())))?;
                }
                trusted_proxy::client(request.headers(), &self.terms.load()).map_err(|unclear| match unclear {
                    ProxyHeaderError::Unreadable => Problem::SessionError,
                    ProxyHeaderError::Refused(reason, shown) => self.refuse(request, reason, shown),
                })
            }
        }
    }

    fn refuse(&self, request: &HttpRequest, reason: RejectReason, shown: Option<CertificateId>) -> Problem {
        self.refusals.note(RejectionStage::Request, reason, shown, request.peer_addr().map(|address| address.ip()));
        Problem::Forbidden
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::super::tls;
    use super::*;
    use crate::domain::clock::{Clock, SystemClock};
    use crate::ingest::{ClientSettings, Role, Settings};
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
        let terms = TrustStore::read(&door(folder.path(), anybody), tls::new_note().unwrap()).unwrap();
        let admission =
            Admission { terms: Arc::new(ArcSwap::from_pointee(terms)), proxy_terms: None, refusals: Arc::default() };
        let request =
            TestRequest::post().uri("/notifications/otp").insert_header((trusted_proxy::CLIENT_CERT, ":AA==:"));

        let refused = admission.admit(&request.to_http_request(), Access::Read, SystemClock.now());

        assert_eq!(refused.unwrap_err(), Problem::Forbidden);
    }
}
