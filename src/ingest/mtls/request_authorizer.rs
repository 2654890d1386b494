//! Which client a request is from, and whether it is authorized: the first check of every request.
//!
//! A request on a connection without an identity is rejected, so a listener that fails to record one serves nothing.

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
use crate::domain::certificate_id::CertificateId;
use crate::domain::clock::Timestamp;
use crate::domain::notification::ClientName;
use crate::ingest::connection::acceptor::PeerIdentity;
use crate::ingest::problem::Problem;
use crate::ingest::settings::Jwe;

/// Authorizes requests.
pub(crate) struct RequestAuthorizer {
    pub(crate) trust: Arc<ArcSwap<TrustStore>>,
    /// For the certificate of the proxy itself.
    pub(crate) proxy_trust: Option<Arc<ArcSwap<TrustStore>>>,
    pub(crate) rejections: Arc<RejectionLog>,
}

/// The client of an authorized request.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) name: ClientName,
    /// The certificate that it presented.
    pub(crate) certificate: Arc<ClientCert>,
    /// Whether its bodies are encrypted.
    pub(crate) jwe: Jwe,
}

/// A request that is not authorized.
#[derive(Debug)]
pub(crate) struct Unauthorized {
    pub(crate) problem: Problem,
    /// The configured client that has the certificate, if there is one.
    pub(crate) client: Option<ClientName>,
}

impl From<Problem> for Unauthorized {
    fn from(problem: Problem) -> Self {
        Self { problem, client: None }
    }
}

impl RequestAuthorizer {
    /// The client that sent the request, if it is authorized for `access` now.
    pub(crate) fn authorize(
        &self,
        request: &HttpRequest,
        access: Access,
        now: Timestamp,
    ) -> Result<Client, Unauthorized> {
        let certificate = self.certificate(request, now)?;
        let trust = self.trust.load();
        match trust.authorizer.authorize(&certificate, access, now) {
            Ok(client) => {
                let (name, jwe) = (ClientName(client.name.clone()), client.jwe);
                Ok(Client { name, certificate, jwe })
            }
            Err(reason) => {
                let client = trust.authorizer.client(&certificate).map(|client| ClientName(client.name.clone()));
                let problem = self.reject(request, reason, Some(certificate.id.clone()));
                Err(Unauthorized { problem, client })
            }
        }
    }

    fn certificate(&self, request: &HttpRequest, now: Timestamp) -> Result<Arc<ClientCert>, Problem> {
        match request.conn_data::<PeerIdentity>() {
            None => {
                tracing::error!("rejected a request on a connection without an identity");
                Err(Problem::Forbidden)
            }
            Some(PeerIdentity::Client(certificate)) => {
                if request.headers().contains_key(trusted_proxy::CLIENT_CERT) {
                    metrics::counter!("otpost_ingest_forged_headers_total").increment(1);
                }
                Ok(Arc::clone(certificate))
            }
            Some(PeerIdentity::Proxy(own)) => {
                if let (Some(own), Some(trust)) = (own, &self.proxy_trust) {
                    let authorized = trust.load().authorizer.authorize(own, Access::Write, now).map(drop);
                    authorized.map_err(|reason| self.reject(request, reason, Some(own.id.clone())))?;
                }
                trusted_proxy::client(request.headers(), &self.trust.load()).map_err(|error| match error {
                    ProxyHeaderError::Unreadable => Problem::Unreadable,
                    ProxyHeaderError::Rejected(reason, presented) => self.reject(request, reason, presented),
                })
            }
        }
    }

    fn reject(&self, request: &HttpRequest, reason: RejectReason, presented: Option<CertificateId>) -> Problem {
        let source = request.peer_addr().map(|address| address.ip());
        self.rejections.record(RejectionStage::Request, reason, presented, source);
        Problem::Forbidden
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::super::tls;
    use super::*;
    use crate::domain::clock::{Clock, SystemClock};
    use crate::ingest::{ClientRole, ClientSettings, Settings};
    use crate::pki::{self, Authority};

    fn settings_in(folder: &std::path::Path, client: ClientSettings) -> Settings {
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
    fn a_request_on_a_connection_without_an_identity_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let any_client = ClientSettings {
            name: "any".to_owned(),
            spki_pins: Vec::new(),
            subject: Some("CN=any".to_owned()),
            role: ClientRole::Processor,
            jwe: Jwe::Off,
        };
        let settings = settings_in(folder.path(), any_client);
        let trust = TrustStore::read(&settings, tls::new_result_index().unwrap()).unwrap();
        let trust = Arc::new(ArcSwap::from_pointee(trust));
        let authorizer = RequestAuthorizer { trust, proxy_trust: None, rejections: Arc::default() };
        let request =
            TestRequest::post().uri("/notifications/otp").insert_header((trusted_proxy::CLIENT_CERT, ":AA==:"));

        let rejected = authorizer.authorize(&request.to_http_request(), Access::Read, SystemClock.now());

        assert_eq!(rejected.unwrap_err().problem, Problem::Forbidden);
    }
}
