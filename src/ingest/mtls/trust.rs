//! What the door goes by at the moment: certificate, authorities, lists and names, of one reading of all files.
//!
//! Whole or not at all: a request and a handshake never see half of a change.

use openssl::ssl::SslContext;
use openssl::x509::store::X509Store;

use super::authorize::{ClientAuthorizer, Revocations};
use super::client_cert;
use super::pem_files::PemFiles;
use super::tls;
use super::tls::HandshakeResultIndex;
use crate::domain::clock::Timestamp;
use crate::ingest::settings::{Error, Settings};
use crate::pki::{self, CertificateSummary};

pub(crate) use super::expiry::ExpiryMonitor;
pub use super::reloaded::Reloaded;

/// Certificate, authorities, lists and names.
pub(crate) struct TrustStore {
    /// What a handshake begins with.
    pub(crate) tls: SslContext,
    /// What a certificate that somebody else has received is held against.
    pub(crate) store: X509Store,
    /// What is asked on every request.
    pub(crate) gate: ClientAuthorizer,
    /// Our own certificate.
    pub(crate) own: CertificateSummary,
    /// What ends by itself, by the name that metrics give it.
    pub(crate) ends: Vec<(&'static str, Timestamp)>,
}

impl TrustStore {
    /// Reads all files and checks them against each other.
    pub(crate) fn read(settings: &Settings, note: HandshakeResultIndex) -> Result<Self, Error> {
        let material = PemFiles::read(settings)?;
        let tls = tls::acceptor(settings, &material, note)?.build().into_context();
        let store = tls::store(&material)?;
        let unreadable = |key, path: &std::path::Path| {
            let path = path.to_owned();
            move |error: pki::Error| Error::File { key, path, what: crate::domain::chain(&error) }
        };
        let own = pki::describe(&material.certificate);
        let own = own.map_err(unreadable("ingest.certificate", &settings.certificate))?;
        let mut ends = vec![("server", own.not_after)];
        let mut anchors = Vec::new();
        for authority in &material.authorities {
            let read = || Ok((client_cert::anchor(authority)?, pki::describe(authority)?.not_after));
            let (anchor, end) = read().map_err(unreadable("ingest.client_ca", &settings.client_ca))?;
            anchors.push(anchor);
            ends.push(("client_ca", end));
        }
        let revocations = Revocations::new(material.lists, settings);
        ends.extend(revocations.until().map(|end| ("crl", end)));
        let gate = ClientAuthorizer::new(&settings.client, anchors.into_iter().collect(), revocations)?;
        Ok(Self { tls, store, gate, own, ends })
    }
}
