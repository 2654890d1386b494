//! Behind a proxy of our own: it ends TLS, and hands on each client's certificate in `Client-Cert` (RFC 9440).
//!
//! Off unless configured, and then on a listener of its own, where only the proxy gets in. Its word is that it has seen
//! the client's key at work; whether the certificate is good is checked here again. `Client-Cert-Chain` is not read.

use std::path::PathBuf;
use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use openssl::stack::Stack;
use openssl::x509::{X509, X509StoreContext};
use serde::Deserialize;

use super::gate::{ClientSettings, Jwe, Role, is_pin};
use super::peer::{self, Peer};
use super::reason::Reason;
use super::terms::Terms;
use super::{Error, Settings};
use crate::flow::journal::Shown;

/// The header.
pub(super) const CLIENT_CERT: &str = "client-cert";

/// The largest header; a certificate has a few KiB.
const HEADER_MAX: usize = 16 * 1024;

/// `[ingest.trusted_proxy]` of the configuration: a socket or an address, or neither.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxySettings {
    /// Path of a unix socket; empty for none.
    pub socket: PathBuf,
    /// User ids that may connect to it.
    pub uids: Vec<u32>,
    /// Address and port of a listener with mutual TLS; empty for none.
    pub listen: String,
    /// The authority that signs the proxy's certificate, PEM.
    pub client_ca: PathBuf,
    /// SHA-256 of the proxy's public key in base64; several while certificates change.
    pub spki: Vec<String>,
}

impl ProxySettings {
    /// Whether requests may come through a proxy at all.
    pub(super) fn is_on(&self) -> bool {
        self.has_socket() || !self.listen.is_empty()
    }

    /// Whether they come over a unix socket.
    pub(super) fn has_socket(&self) -> bool {
        !self.socket.as_os_str().is_empty()
    }

    /// Says what is missing.
    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong = |key: &str, what: &str| {
            Err(Error::Setting { key: format!("ingest.trusted_proxy.{key}"), what: what.to_owned() })
        };
        match () {
            () if self.has_socket() && !self.listen.is_empty() => wrong("listen", "expected either socket or listen"),
            () if self.has_socket() && self.uids.is_empty() => wrong("uids", "expected the user ids that may connect"),
            () if !self.listen.is_empty() && self.client_ca.as_os_str().is_empty() => {
                wrong("client_ca", "expected the authority of the proxy's certificate")
            }
            () if !self.listen.is_empty() && !(1..).contains(&self.spki.len()) => {
                wrong("spki", "expected the pin of the proxy's key")
            }
            () if !self.spki.iter().all(|pin| is_pin(pin)) => {
                wrong("spki", "expected a SHA-256 in base64, 44 characters")
            }
            () => Ok(()),
        }
    }

    /// The terms for the proxy itself, as if it were the only client of a door.
    pub(super) fn as_door(&self, settings: &Settings) -> Settings {
        let proxy = ClientSettings {
            name: "trusted proxy".to_owned(),
            spki: self.spki.clone(),
            subject: None,
            role: Role::Processor,
            jwe: Jwe::Off,
        };
        let (listen, client_ca) = (self.listen.clone(), self.client_ca.clone());
        Settings { listen, client_ca, crl: PathBuf::new(), client: vec![proxy], ..settings.clone() }
    }
}

/// Why a request through a proxy is nobody's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// The header cannot be read: 400.
    Unreadable,
    /// There is none, or its certificate is not good: 403.
    Refused(Reason, Option<Shown>),
}

/// Whose request it is.
pub(super) fn client(headers: &HeaderMap, terms: &Terms) -> Result<Arc<Peer>, Unclear> {
    let mut given = headers.get_all(CLIENT_CERT);
    let Some(first) = given.next() else { return Err(Unclear::Refused(Reason::NoCertificate, None)) };
    if given.next().is_some() {
        return Err(Unclear::Unreadable);
    }
    let certificate = certificate(first.as_bytes()).ok_or(Unclear::Unreadable)?;
    verified(&certificate, terms)
        .map(Arc::new)
        .map_err(|reason| Unclear::Refused(reason, peer::show(&certificate).ok()))
}

// A byte sequence (RFC 8941, 3.3.5) of one certificate in DER, and nothing behind it.
fn certificate(header: &[u8]) -> Option<X509> {
    if header.len() > HEADER_MAX {
        return None;
    }
    let inside = header.strip_prefix(b":")?.strip_suffix(b":")?;
    // OpenSSL's reader passes over blanks.
    if !inside.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte)) {
        return None;
    }
    let der = openssl::base64::decode_block(std::str::from_utf8(inside).ok()?).ok()?;
    X509::from_der(&der).ok().filter(|certificate| certificate.to_der().is_ok_and(|again| again == der))
}

fn verified(certificate: &X509, terms: &Terms) -> Result<Peer, Reason> {
    let unreadable = |_| Reason::BadCertificate;
    let nothing_between = Stack::new().map_err(unreadable)?;
    let mut context = X509StoreContext::new().map_err(unreadable)?;
    let judged = context.init(&terms.store, certificate, &nothing_between, |context| {
        let good = context.verify_cert()?;
        let chain = if good { context.chain() } else { None };
        Ok(match chain {
            Some(chain) => Peer::read(certificate, chain).map_err(|_| Reason::BadCertificate),
            None => Err(Reason::of_chain(context.error())),
        })
    });
    judged.map_err(unreadable)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::pki::Authority;

    #[test]
    fn the_header_holds_one_certificate_and_nothing_else() {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let made = Authority::create("Practice CA", 10, now).unwrap().certificate().to_der().unwrap();
        let base64 = openssl::base64::encode_block(&made);
        let longer = openssl::base64::encode_block(&[&made[..], &[0]].concat());

        assert!(certificate(format!(":{base64}:").as_bytes()).is_some());
        for bad in [
            String::new(),
            ":".to_owned(),
            "::".to_owned(),
            base64.clone(),
            format!(":{base64}"),
            format!(":{base64}:;q=1"),
            format!(":{base64}:, :{base64}:"),
            format!(": {base64}:"),
            format!(":{longer}:"),
            format!(":{}:", &base64[..base64.len() / 8 * 4]),
            format!(":{}:", "A".repeat(HEADER_MAX)),
        ] {
            assert!(certificate(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
