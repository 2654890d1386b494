//! Who is at the other end of a connection: what their certificate says, read once when the connection is made.

use openssl::sha::sha256;
use openssl::ssl::SslRef;
use openssl::stack::StackRef;
use openssl::x509::{X509, X509ExtendedKeyUsage, X509Ref};

use crate::domain::clock::Timestamp;
use crate::flow::audit::CertificateId;
use crate::pki::{self, SerialNumber};

/// A certificate whose chain and possession have been proven.
#[derive(Debug)]
pub(crate) struct ClientCert {
    pub(crate) shown: CertificateId,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// Whether it says that it is made for clients; silence is not enough.
    pub(crate) for_clients: bool,
    /// The authority of ours that vouched for it.
    pub(crate) anchor: TrustAnchor,
    /// It, and those between it and the authority, as lists of revoked ones would name them.
    pub(crate) links: Vec<SerialNumber>,
}

/// SHA-256 of an authority's certificate.
pub(crate) type TrustAnchor = [u8; 32];

impl ClientCert {
    /// Whoever has just proven who they are; `None` when nobody has.
    pub(crate) fn of(ssl: &SslRef) -> Result<Option<Self>, pki::Error> {
        let (Some(certificate), Some(chain)) = (ssl.peer_certificate(), ssl.verified_chain()) else { return Ok(None) };
        Self::read(&certificate, chain).map(Some)
    }

    /// Reads a certificate with the chain, itself first, that was found to hold.
    pub(crate) fn read(certificate: &X509Ref, chain: &StackRef<X509>) -> Result<Self, pki::Error> {
        let (not_before, not_after) = pki::validity(certificate)?;
        let (authority, below) = chain.iter().next_back().map_or((certificate, 0), |last| (last, chain.len() - 1));
        Ok(Self {
            shown: show(certificate)?,
            not_before,
            not_after,
            for_clients: certificate
                .extended_key_usage()
                .is_some_and(|usage| usage.contains(X509ExtendedKeyUsage::SSL_CLIENT)),
            anchor: anchor(authority)?,
            links: chain.iter().take(below.max(1)).map(pki::number_of).collect::<Result<_, _>>()?,
        })
    }
}

/// What names a certificate, good or bad.
pub(crate) fn show(certificate: &X509Ref) -> Result<CertificateId, pki::Error> {
    let serial = certificate.serial_number().to_bn()?.to_hex_str()?.to_string();
    let subject = pki::distinguished_name(certificate.subject_name());
    Ok(CertificateId { subject, serial, pin: pki::spki_pin(certificate)? })
}

/// What an authority is known by.
pub(crate) fn anchor(authority: &X509Ref) -> Result<TrustAnchor, pki::Error> {
    Ok(sha256(&authority.to_der()?))
}
