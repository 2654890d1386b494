//! Why somebody is refused at the door: one word for metrics, logs and the audit log alike.

use openssl::ssl::{Error, ErrorCode};
use openssl::x509::X509VerifyResult;

/// Why a handshake or a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RejectReason {
    /// No certificate was shown.
    NoCertificate,
    /// No authority of ours vouches for it, or no longer does.
    UnknownAuthority,
    /// Nobody but itself vouches for it.
    SelfSigned,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It was revoked.
    RevokedEntry,
    /// Whether it was revoked is not known: the authority's list is missing, or too old.
    NoRevocationList,
    /// Its key or its signature is too weak.
    WeakKey,
    /// It is not made for clients.
    WrongPurpose,
    /// Too many stand between it and our authority.
    ChainTooDeep,
    /// It is wrong in another way.
    BadCertificate,
    /// The certificate is good and nobody's on the list.
    NotListed,
    /// Who it is may not do this.
    RoleNotAllowed,
    /// The peer does not speak TLS as we do.
    Protocol,
    /// The handshake took too long.
    TimedOut,
    /// The connection broke.
    SessionError,
    /// Others were before it.
    TooMany,
}

impl RejectReason {
    /// The word for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoCertificate => "no_certificate",
            Self::UnknownAuthority => "unknown_authority",
            Self::SelfSigned => "self_signed",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::RevokedEntry => "revoked",
            Self::NoRevocationList => "no_revocation_list",
            Self::WeakKey => "weak_key",
            Self::WrongPurpose => "wrong_purpose",
            Self::ChainTooDeep => "chain_too_deep",
            Self::BadCertificate => "bad_certificate",
            Self::NotListed => "not_listed",
            Self::RoleNotAllowed => "role_not_allowed",
            Self::Protocol => "protocol",
            Self::TimedOut => "timed_out",
            Self::SessionError => "broken",
            Self::TooMany => "too_many",
        }
    }

    /// What OpenSSL's check of a chain came to (`X509_V_ERR_…`).
    pub(crate) fn of_chain(result: X509VerifyResult) -> Self {
        match result.as_raw() {
            2 | 7 | 19..=21 => Self::UnknownAuthority,
            18 => Self::SelfSigned,
            10 => Self::Expired,
            9 => Self::NotYetValid,
            23 => Self::RevokedEntry,
            3 | 8 | 11 | 12 | 33 | 36 | 44 => Self::NoRevocationList,
            66..=68 => Self::WeakKey,
            26 => Self::WrongPurpose,
            22 | 25 => Self::ChainTooDeep,
            _ => Self::BadCertificate,
        }
    }

    /// What ended a handshake before a certificate was judged.
    pub(crate) fn of_handshake(error: &Error) -> Self {
        let Some(stack) = error.ssl_error() else { return Self::SessionError };
        let said = |words: &str| {
            stack.errors().iter().any(|error| error.reason().is_some_and(|reason| reason.contains(words)))
        };
        match () {
            () if said("did not return a certificate") => Self::NoCertificate,
            () if said("too small") || said("md too weak") => Self::WeakKey,
            () if said("unexpected eof") => Self::SessionError,
            () if error.code() == ErrorCode::SSL => Self::Protocol,
            () => Self::SessionError,
        }
    }
}
