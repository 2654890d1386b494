//! The trust store: certificate, client CAs, revocation lists and clients, all from one reading of all files.
//!
//! It is replaced as a whole: no request and no handshake ever sees a part of a change.

use openssl::ssl::SslContext;
use openssl::x509::store::X509Store;
use serde_json::{Map, Value};

use super::authorize::ClientAuthorizer;
use super::client_cert;
use super::crl::Revocations;
use super::tls::{self, HandshakeResultIndex};
use super::trust_files::TrustFiles;
use crate::domain::clock::Timestamp;
use crate::ingest::settings::Settings;
use crate::pki::{self, CertificateSummary};
use crate::server::Error;

/// Certificate, client CAs, revocation lists and clients.
pub(crate) struct TrustStore {
    /// For new connections.
    pub(crate) tls: SslContext,
    /// For the certificates in the headers of a trusted proxy.
    pub(super) store: X509Store,
    /// For every request.
    pub(crate) authorizer: ClientAuthorizer,
    /// Our own certificate.
    own: CertificateSummary,
    /// When certificates and lists end, by the name that metrics give them.
    pub(crate) ends: Vec<(&'static str, Timestamp)>,
}

impl TrustStore {
    /// Reads all files and checks them against each other.
    pub(crate) fn read(settings: &Settings, result_index: HandshakeResultIndex) -> Result<Self, Error> {
        let files = TrustFiles::read(settings)?;
        let tls = tls::acceptor(settings, &files, result_index)?.build().into_context();
        let store = tls::certificate_store(&files)?;
        let own = pki::describe(&files.server.certificate);
        let own = own.map_err(|error| files.server.error(crate::domain::chain(&error)))?;
        let mut ends = vec![("server", own.not_after)];
        let mut anchors = Vec::new();
        for authority in &files.authorities {
            let read = || Ok((client_cert::anchor(authority)?, pki::describe(authority)?.not_after));
            let unreadable =
                |error: pki::Error| Error::file("ingest.client_ca", &settings.client_ca, crate::domain::chain(&error));
            let (anchor, end) = read().map_err(unreadable)?;
            anchors.push(anchor);
            ends.push(("client_ca", end));
        }
        let revocations = Revocations::new(files.lists, settings);
        ends.extend(revocations.first_end().map(|end| ("crl", end)));
        let authorizer = ClientAuthorizer::new(&settings.client, anchors.into_iter().collect(), revocations)?;
        Ok(Self { tls, store, authorizer, own, ends })
    }

    /// The names of the clients that are let in.
    pub(crate) fn clients(&self) -> Vec<String> {
        self.authorizer.names()
    }
}

/// What a reload has changed, for the log and the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// Subject, SPKI pin and end of the server certificate.
    pub subject: String,
    pub spki_pin: String,
    pub not_after: Timestamp,
    /// Pins of clients, sorted.
    pub pins_added: Vec<String>,
    pub pins_removed: Vec<String>,
}

impl Reloaded {
    pub(crate) fn between(old: &TrustStore, new: &TrustStore) -> Self {
        let only = |here: &TrustStore, there: &TrustStore| {
            let (here, there) = (here.authorizer.pins(), there.authorizer.pins());
            let mut pins: Vec<String> = here.difference(&there).map(ToString::to_string).collect();
            pins.sort();
            pins
        };
        Self {
            subject: new.own.subject.clone(),
            spki_pin: new.own.pin.clone(),
            not_after: new.own.not_after,
            pins_added: only(new, old),
            pins_removed: only(old, new),
        }
    }

    /// The detail of the audit event.
    pub fn detail(&self) -> Map<String, Value> {
        let fields: [(&str, Value); 5] = [
            ("subject", self.subject.as_str().into()),
            ("spki_pin", self.spki_pin.as_str().into()),
            ("not_after", self.not_after.to_string().into()),
            ("pins_added", self.pins_added.clone().into()),
            ("pins_removed", self.pins_removed.clone().into()),
        ];
        fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
    }
}
