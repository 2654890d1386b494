//! A verified client certificate, read once per connection.

use openssl::sha::sha256;
use openssl::ssl::SslRef;
use openssl::stack::StackRef;
use openssl::x509::{X509, X509ExtendedKeyUsage, X509Ref};

use crate::domain::certificate_id::CertificateId;
use crate::domain::clock::Timestamp;
use crate::pki::{self, SerialNumber};

/// A certificate whose chain has been verified, and whose private key the client has.
#[derive(Debug)]
pub(crate) struct ClientCert {
    pub(crate) id: CertificateId,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// Whether the extended key usage contains TLS client; a certificate without the extension is not for clients.
    pub(crate) for_clients: bool,
    /// The configured CA at the end of the chain.
    pub(crate) anchor: TrustAnchor,
    /// The certificate and those between it and the CA, as revocation lists name them.
    pub(crate) chain: Vec<SerialNumber>,
}

/// SHA-256 of a CA's certificate.
pub(crate) type TrustAnchor = [u8; 32];

impl ClientCert {
    /// The certificate of a finished handshake; `None` if the client presented none.
    pub(crate) fn of(ssl: &SslRef) -> Result<Option<Self>, pki::Error> {
        let (Some(certificate), Some(chain)) = (ssl.peer_certificate(), ssl.verified_chain()) else { return Ok(None) };
        Self::read(&certificate, chain).map(Some)
    }

    /// Reads a certificate and its verified chain, which begins with the certificate itself.
    pub(super) fn read(certificate: &X509Ref, chain: &StackRef<X509>) -> Result<Self, pki::Error> {
        let (not_before, not_after) = pki::validity(certificate)?;
        let (authority, below) = chain.iter().next_back().map_or((certificate, 0), |last| (last, chain.len() - 1));
        Ok(Self {
            id: id(certificate)?,
            not_before,
            not_after,
            for_clients: certificate
                .extended_key_usage()
                .is_some_and(|usage| usage.contains(X509ExtendedKeyUsage::SSL_CLIENT)),
            anchor: anchor(authority)?,
            chain: chain.iter().take(below.max(1)).map(SerialNumber::of).collect::<Result<_, _>>()?,
        })
    }
}

/// The names of a certificate in logs and the audit log, whether it is valid or not.
pub(super) fn id(certificate: &X509Ref) -> Result<CertificateId, pki::Error> {
    let serial = certificate.serial_number().to_bn()?.to_hex_str()?.to_string();
    let subject = pki::distinguished_name(certificate.subject_name());
    Ok(CertificateId { subject, serial, pin: pki::spki_pin(certificate)? })
}

/// The identity of a CA.
pub(super) fn anchor(authority: &X509Ref) -> Result<TrustAnchor, pki::Error> {
    Ok(sha256(&authority.to_der()?))
}
