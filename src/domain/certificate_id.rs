//! What identifies the certificate of a client.

/// Identifies a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertificateId {
    pub subject: String,
    /// The serial number, in hexadecimal.
    pub serial: String,
    /// The SPKI pin of its key.
    pub pin: String,
}
