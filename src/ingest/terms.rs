//! What the door goes by at the moment: certificate, authorities, lists and names, of one reading of all files.
//!
//! Whole or not at all: a request and a handshake never see half of a change.

mod expiry;
pub(super) mod material;
mod reloaded;

use openssl::ssl::SslContext;
use openssl::x509::store::X509Store;

use self::material::Material;
use super::gate::{Gate, Revocations};
use super::peer;
use super::settings::{Error, Settings};
use super::tls::{self, NoteIndex};
use crate::domain::clock::Timestamp;
use crate::pki::{self, Description};

pub(super) use expiry::Calendar;
pub use reloaded::Reloaded;

/// Certificate, authorities, lists and names.
pub(super) struct Terms {
    /// What a handshake begins with.
    pub(super) tls: SslContext,
    /// What a certificate that somebody else has received is held against.
    pub(super) store: X509Store,
    /// What is asked on every request.
    pub(super) gate: Gate,
    /// Our own certificate.
    pub(super) own: Description,
    /// What ends by itself, by the name that metrics give it.
    pub(super) ends: Vec<(&'static str, Timestamp)>,
}

impl Terms {
    /// Reads all files and checks them against each other.
    pub(super) fn read(settings: &Settings, note: NoteIndex) -> Result<Self, Error> {
        let material = Material::read(settings)?;
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
            let read = || Ok((peer::anchor(authority)?, pki::describe(authority)?.not_after));
            let (anchor, end) = read().map_err(unreadable("ingest.client_ca", &settings.client_ca))?;
            anchors.push(anchor);
            ends.push(("client_ca", end));
        }
        let revocations = Revocations::new(material.lists, settings);
        ends.extend(revocations.until().map(|end| ("crl", end)));
        let gate = Gate::new(&settings.client, anchors.into_iter().collect(), revocations)?;
        Ok(Self { tls, store, gate, own, ends })
    }
}
