//! Why a client is rejected: one name for metrics, logs and the audit log.

use openssl::ssl::{Error, ErrorCode};
use openssl::x509::X509VerifyResult;
use strum::{EnumIter, IntoStaticStr};

/// Why a handshake or a request is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub(crate) enum RejectReason {
    /// The client presented no certificate.
    NoCertificate,
    /// The certificate was not issued by a configured CA, or its CA is no longer configured.
    UnknownAuthority,
    SelfSigned,
    Expired,
    NotYetValid,
    Revoked,
    /// The CA's revocation list is missing or too old, so it is not known whether the certificate is revoked.
    NoRevocationList,
    /// A key or a signature is too weak.
    WeakKey,
    /// The certificate is not for TLS clients.
    WrongPurpose,
    ChainTooDeep,
    /// The certificate is invalid for another reason.
    BadCertificate,
    /// The certificate is valid, but no configured client has it.
    NotListed,
    /// The client's role does not include this request.
    RoleNotAllowed,
    /// The peer does not speak TLS, or no version or suite that is allowed.
    Protocol,
    TimedOut,
    #[strum(serialize = "broken")]
    ConnectionLost,
    /// A connection limit is reached.
    TooMany,
}

/// Results of OpenSSL's chain verification that have a reason of their own.
mod x509_v_err {
    pub(super) const UNABLE_TO_GET_ISSUER_CERT: i32 = 2;
    pub(super) const UNABLE_TO_GET_CRL: i32 = 3;
    pub(super) const CERT_SIGNATURE_FAILURE: i32 = 7;
    pub(super) const CRL_SIGNATURE_FAILURE: i32 = 8;
    pub(super) const CERT_NOT_YET_VALID: i32 = 9;
    pub(super) const CERT_HAS_EXPIRED: i32 = 10;
    pub(super) const CRL_NOT_YET_VALID: i32 = 11;
    pub(super) const CRL_HAS_EXPIRED: i32 = 12;
    pub(super) const DEPTH_ZERO_SELF_SIGNED_CERT: i32 = 18;
    pub(super) const SELF_SIGNED_CERT_IN_CHAIN: i32 = 19;
    pub(super) const UNABLE_TO_GET_ISSUER_CERT_LOCALLY: i32 = 20;
    pub(super) const UNABLE_TO_VERIFY_LEAF_SIGNATURE: i32 = 21;
    pub(super) const CERT_CHAIN_TOO_LONG: i32 = 22;
    pub(super) const CERT_REVOKED: i32 = 23;
    pub(super) const PATH_LENGTH_EXCEEDED: i32 = 25;
    pub(super) const INVALID_PURPOSE: i32 = 26;
    pub(super) const UNABLE_TO_GET_CRL_ISSUER: i32 = 33;
    pub(super) const UNHANDLED_CRITICAL_CRL_EXTENSION: i32 = 36;
    pub(super) const DIFFERENT_CRL_SCOPE: i32 = 44;
    pub(super) const EE_KEY_TOO_SMALL: i32 = 66;
    pub(super) const CA_KEY_TOO_SMALL: i32 = 67;
    pub(super) const CA_MD_TOO_WEAK: i32 = 68;
}

impl RejectReason {
    /// The reason for the result of a chain verification.
    pub(crate) fn of_chain(result: X509VerifyResult) -> Self {
        use x509_v_err as err;
        match result.as_raw() {
            err::UNABLE_TO_GET_ISSUER_CERT
            | err::CERT_SIGNATURE_FAILURE
            | err::SELF_SIGNED_CERT_IN_CHAIN
            | err::UNABLE_TO_GET_ISSUER_CERT_LOCALLY
            | err::UNABLE_TO_VERIFY_LEAF_SIGNATURE => Self::UnknownAuthority,
            err::DEPTH_ZERO_SELF_SIGNED_CERT => Self::SelfSigned,
            err::CERT_HAS_EXPIRED => Self::Expired,
            err::CERT_NOT_YET_VALID => Self::NotYetValid,
            err::CERT_REVOKED => Self::Revoked,
            err::UNABLE_TO_GET_CRL
            | err::CRL_SIGNATURE_FAILURE
            | err::CRL_NOT_YET_VALID
            | err::CRL_HAS_EXPIRED
            | err::UNABLE_TO_GET_CRL_ISSUER
            | err::UNHANDLED_CRITICAL_CRL_EXTENSION
            | err::DIFFERENT_CRL_SCOPE => Self::NoRevocationList,
            err::EE_KEY_TOO_SMALL | err::CA_KEY_TOO_SMALL | err::CA_MD_TOO_WEAK => Self::WeakKey,
            err::INVALID_PURPOSE => Self::WrongPurpose,
            err::CERT_CHAIN_TOO_LONG | err::PATH_LENGTH_EXCEEDED => Self::ChainTooDeep,
            _ => Self::BadCertificate,
        }
    }

    /// Whether a chain verification failed only because the revocation list has expired.
    pub(crate) fn is_expired_crl(result: X509VerifyResult) -> bool {
        result.as_raw() == x509_v_err::CRL_HAS_EXPIRED
    }

    /// The reason for a handshake that failed without a verdict about the chain.
    pub(crate) fn of_handshake(error: &Error) -> Self {
        let Some(stack) = error.ssl_error() else { return Self::ConnectionLost };
        let mentions =
            |text: &str| stack.errors().iter().any(|error| error.reason().is_some_and(|reason| reason.contains(text)));
        match () {
            () if mentions("did not return a certificate") => Self::NoCertificate,
            () if mentions("too small") || mentions("md too weak") => Self::WeakKey,
            () if mentions("unexpected eof") => Self::ConnectionLost,
            () if error.code() == ErrorCode::SSL => Self::Protocol,
            () => Self::ConnectionLost,
        }
    }
}
