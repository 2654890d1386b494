//! Requests that come through a trusted proxy, which terminates TLS and forwards each client's certificate in the
//! `Client-Cert` header (RFC 9440).
//!
//! Off unless configured, and then on a listener of its own that only the proxy can connect to. The proxy is trusted to
//! have verified that the client has the private key; the certificate itself is verified here again.
//! `Client-Cert-Chain` is ignored.

use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use openssl::stack::Stack;
use openssl::x509::{X509, X509StoreContext};

use super::client_cert;
use super::client_cert::ClientCert;
use super::reason::RejectReason;
use super::trust::TrustStore;
use crate::domain::certificate_id::CertificateId;

/// The header with the client's certificate.
pub(super) const CLIENT_CERT: &str = "client-cert";

/// The largest header in bytes; a certificate has a few KiB.
const HEADER_MAX: usize = 16 * 1024;

/// Why the client of a request through a proxy is not known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ProxyHeaderError {
    /// The header is malformed: 400.
    Unreadable,
    /// The header is missing, or its certificate is not valid: 403.
    Rejected(RejectReason, Option<CertificateId>),
}

/// The certificate of the client that the proxy forwards a request for.
pub(super) fn client(headers: &HeaderMap, trust: &TrustStore) -> Result<Arc<ClientCert>, ProxyHeaderError> {
    let mut values = headers.get_all(CLIENT_CERT);
    let Some(first) = values.next() else { return Err(ProxyHeaderError::Rejected(RejectReason::NoCertificate, None)) };
    if values.next().is_some() {
        return Err(ProxyHeaderError::Unreadable);
    }
    let certificate = parse(first.as_bytes()).ok_or(ProxyHeaderError::Unreadable)?;
    verify(&certificate, trust)
        .map(Arc::new)
        .map_err(|reason| ProxyHeaderError::Rejected(reason, client_cert::id(&certificate).ok()))
}

// A byte sequence (RFC 8941, 3.3.5) of one certificate in DER, and nothing after it.
fn parse(header: &[u8]) -> Option<X509> {
    if header.len() > HEADER_MAX {
        return None;
    }
    let inside = header.strip_prefix(b":")?.strip_suffix(b":")?;
    // OpenSSL's decoder ignores spaces.
    if !inside.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte)) {
        return None;
    }
    let der = openssl::base64::decode_block(std::str::from_utf8(inside).ok()?).ok()?;
    X509::from_der(&der).ok().filter(|certificate| certificate.to_der().is_ok_and(|again| again == der))
}

fn verify(certificate: &X509, trust: &TrustStore) -> Result<ClientCert, RejectReason> {
    let failed = |_| RejectReason::BadCertificate;
    let intermediates = Stack::new().map_err(failed)?;
    let mut context = X509StoreContext::new().map_err(failed)?;
    let verified = context.init(&trust.store, certificate, &intermediates, |context| {
        let chain = if context.verify_cert()? { context.chain() } else { None };
        Ok(match chain {
            Some(chain) => ClientCert::read(certificate, chain).map_err(|_| RejectReason::BadCertificate),
            None => Err(RejectReason::of_chain(context.error())),
        })
    });
    verified.map_err(failed)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::pki::Authority;

    #[test]
    fn the_header_contains_one_certificate_and_nothing_else() {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let der = Authority::create("Practice CA", 10, now).unwrap().certificate().to_der().unwrap();
        let base64 = openssl::base64::encode_block(&der);
        let longer = openssl::base64::encode_block(&[&der[..], &[0]].concat());

        assert!(parse(format!(":{base64}:").as_bytes()).is_some());
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
            assert!(parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
