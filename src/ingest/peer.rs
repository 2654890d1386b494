//! Who is at the other end of a connection: what their certificate says, read once when the connection is made.

use openssl::sha::sha256;
use openssl::ssl::SslRef;
use openssl::stack::StackRef;
use openssl::x509::{X509, X509ExtendedKeyUsage, X509Ref};

use crate::domain::clock::Timestamp;
use crate::flow::journal::Shown;
use crate::pki::{self, CertificateNumber};

/// A certificate whose chain and possession have been proven.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) shown: Shown,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// Whether it says that it is made for clients; silence is not enough.
    pub(super) for_clients: bool,
    /// The authority of ours that vouched for it.
    pub(super) anchor: Anchor,
    /// It, and those between it and the authority, as lists of revoked ones would name them.
    pub(super) links: Vec<CertificateNumber>,
}

/// SHA-256 of an authority's certificate.
pub(super) type Anchor = [u8; 32];

impl Peer {
    /// Whoever has just proven who they are; `None` when nobody has.
    pub(super) fn of(ssl: &SslRef) -> Result<Option<Self>, pki::Error> {
        let (Some(certificate), Some(chain)) = (ssl.peer_certificate(), ssl.verified_chain()) else { return Ok(None) };
        Self::read(&certificate, chain).map(Some)
    }

    /// Reads a certificate with the chain, itself first, that was found to hold.
    pub(super) fn read(certificate: &X509Ref, chain: &StackRef<X509>) -> Result<Self, pki::Error> {
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
pub(super) fn show(certificate: &X509Ref) -> Result<Shown, pki::Error> {
    let serial = certificate.serial_number().to_bn()?.to_hex_str()?.to_string();
    let subject = pki::distinguished_name(certificate.subject_name());
    Ok(Shown { subject, serial, pin: pki::spki_pin(certificate)? })
}

/// What an authority is known by.
pub(super) fn anchor(authority: &X509Ref) -> Result<Anchor, pki::Error> {
    Ok(sha256(&authority.to_der()?))
}
