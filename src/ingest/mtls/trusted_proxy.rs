//! Behind a proxy of our own: it ends TLS, and hands on each client's certificate in `Client-Cert` (RFC 9440).
//!
//! Off unless configured, and then on a listener of its own, where only the proxy gets in. Its word is that it has seen
//! the client's key at work; whether the certificate is good is checked here again. `Client-Cert-Chain` is not read.

use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use openssl::stack::Stack;
use openssl::x509::{X509, X509StoreContext};

use super::client_cert;
use super::client_cert::ClientCert;
use super::reason::RejectReason;
use super::trust::TrustStore;
use crate::flow::audit::CertificateId;

/// The header.
pub(crate) const CLIENT_CERT: &str = "client-cert";

/// The largest header; a certificate has a few KiB.
const HEADER_MAX: usize = 16 * 1024;

/// Why a request through a proxy is nobody's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ProxyHeaderError {
    /// The header cannot be read: 400.
    Unreadable,
    /// There is none, or its certificate is not good: 403.
    Refused(RejectReason, Option<CertificateId>),
}

/// Whose request it is.
pub(crate) fn client(headers: &HeaderMap, terms: &TrustStore) -> Result<Arc<ClientCert>, ProxyHeaderError> {
    let mut given = headers.get_all(CLIENT_CERT);
    let Some(first) = given.next() else { return Err(ProxyHeaderError::Refused(RejectReason::NoCertificate, None)) };
    if given.next().is_some() {
        return Err(ProxyHeaderError::Unreadable);
    }
    let certificate = certificate(first.as_bytes()).ok_or(ProxyHeaderError::Unreadable)?;
    verified(&certificate, terms)
        .map(Arc::new)
        .map_err(|reason| ProxyHeaderError::Refused(reason, client_cert::show(&certificate).ok()))
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

fn verified(certificate: &X509, terms: &TrustStore) -> Result<ClientCert, RejectReason> {
    let unreadable = |_| RejectReason::BadCertificate;
    let nothing_between = Stack::new().map_err(unreadable)?;
    let mut context = X509StoreContext::new().map_err(unreadable)?;
    let judged = context.init(&terms.store, certificate, &nothing_between, |context| {
        let good = context.verify_cert()?;
        let chain = if good { context.chain() } else { None };
        Ok(match chain {
            Some(chain) => ClientCert::read(certificate, chain).map_err(|_| RejectReason::BadCertificate),
            None => Err(RejectReason::of_chain(context.error())),
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
