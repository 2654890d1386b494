//! Describes certificates as text.

use std::net::IpAddr;

use openssl::x509::{GeneralNameRef, X509Ref};

use super::names::{distinguished_name, escaped};
use super::{Error, KeyKind, spki_pin, timestamp};
use crate::domain::clock::Timestamp;

/// The content of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSummary {
    /// See [`distinguished_name`].
    pub subject: String,
    pub issuer: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// See [`spki_pin`].
    pub pin: String,
    pub key: KeyKind,
    /// Subject alternative names, as in `DNS:otp.example.org` and `IP:192.0.2.1`.
    pub names: Vec<String>,
}

/// Reads the content of `certificate`. Nothing is verified.
pub fn describe(certificate: &X509Ref) -> Result<CertificateSummary, Error> {
    let names = certificate.subject_alt_names();
    let (not_before, not_after) = validity(certificate)?;
    Ok(CertificateSummary {
        subject: distinguished_name(certificate.subject_name()),
        issuer: distinguished_name(certificate.issuer_name()),
        not_before,
        not_after,
        pin: spki_pin(certificate)?,
        key: KeyKind::of(&*certificate.public_key()?),
        names: names.iter().flatten().map(alternative_name).collect(),
    })
}

/// `notBefore` and `notAfter`.
pub fn validity(certificate: &X509Ref) -> Result<(Timestamp, Timestamp), Error> {
    Ok((timestamp(certificate.not_before())?, timestamp(certificate.not_after())?))
}

fn alternative_name(name: &GeneralNameRef) -> String {
    if let Some(dns) = name.dnsname() {
        return format!("DNS:{}", escaped(dns));
    }
    if let Some(address) = name.ipaddress().and_then(ip_address) {
        return format!("IP:{address}");
    }
    if let Some(email) = name.email() {
        return format!("email:{}", escaped(email));
    }
    if let Some(uri) = name.uri() {
        return format!("URI:{}", escaped(uri));
    }
    "(unsupported name)".to_owned()
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Authority;
    use super::super::request;
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    #[test]
    fn a_servers_certificate_is_described_in_full() {
        let authority = Authority::create("Practice CA", 3650, NOW).unwrap();
        let names = ["otp.example.org", "*.example.org", "127.0.0.1", "::1"].map(String::from);
        let server = authority.issue_server(&names, 90, NOW).unwrap();

        let summary = describe(&server.certificate).unwrap();

        assert_eq!(summary.subject, "CN=otp.example.org");
        assert_eq!(summary.issuer, "CN=Practice CA");
        assert_eq!(summary.not_before, NOW.before(Duration::from_mins(5)));
        assert_eq!(summary.not_after, NOW.after(Duration::from_hours(90 * 24)));
        assert_eq!(summary.key, KeyKind::P256);
        assert_eq!(summary.names, ["DNS:otp.example.org", "DNS:*.example.org", "IP:127.0.0.1", "IP:::1"]);
    }

    #[test]
    fn a_pin_identifies_the_key_and_stays_the_same_after_a_renewal() {
        let authority = Authority::create("Practice CA", 3650, NOW).unwrap();
        let first = request("otp", "Processor").unwrap();
        let other = request("otp", "Processor").unwrap();
        let pin = |csr| spki_pin(&authority.sign_client(csr, 30, NOW).unwrap()).unwrap();

        assert_eq!(pin(&first.csr), pin(&first.csr));
        assert_ne!(pin(&first.csr), pin(&other.csr));
        assert_eq!(pin(&first.csr).len(), 44);
    }
}
