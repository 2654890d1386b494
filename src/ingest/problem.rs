//! Why a request is rejected, and its answer. All answers have the same form and repeat no input.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use strum::{EnumIter, IntoStaticStr};

use crate::flow::intake::IntakeError;
use crate::server::{BodyError, MalformedHead};

/// Why a request is rejected. The name of a variant is its `outcome` in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub(super) enum Problem {
    /// The client is not authorized.
    Forbidden,
    NotFound,
    /// The path accepts only this method.
    MethodNotAllowed(&'static str),
    TooSlow,
    /// The connection, the framing or a header is broken.
    #[strum(serialize = "broken")]
    Unreadable,
    /// The HTTP parser cannot read the head, and has answered; why is for our log.
    Malformed(&'static str),
    /// The HTTP parser has answered.
    HeadTooLarge,
    TooLarge,
    /// Not JSON, or compressed.
    UnsupportedMedia,
    /// A field, or the body as a whole if the name is empty, violates the contract.
    Invalid(&'static str, &'static str),
    /// The encrypted body cannot be decrypted. Why is for our log; the answer never says it.
    Undecipherable(&'static str),
    NoPublicKey,
    /// The idempotency key was used before with another body.
    KeyReused,
    /// The notification cannot be committed now.
    Unavailable,
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::KeyReused => Self::KeyReused,
            IntakeError::Unavailable(error) => {
                let error = crate::domain::chain(&error);
                tracing::error!(error, "notification could not be committed; answered 503");
                Self::Unavailable
            }
        }
    }
}

impl From<MalformedHead> for Problem {
    fn from(head: MalformedHead) -> Self {
        match head {
            MalformedHead::Invalid(what) => Self::Malformed(what),
            MalformedHead::TooLarge => Self::HeadTooLarge,
        }
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::TooLarge,
            BodyError::TooSlow => Self::TooSlow,
            BodyError::Unreadable => Self::Unreadable,
        }
    }
}

impl Problem {
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Unreadable | Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(..) | Self::Undecipherable(_) | Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoPublicKey | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether the client is to blame, so that the same request would be rejected again.
    pub(super) fn is_of_the_client(self) -> bool {
        self.status().is_client_error()
    }

    /// The field or header that is to blame.
    pub(super) fn field(self) -> Option<&'static str> {
        match self {
            Self::Invalid(field, _) => (!field.is_empty()).then_some(field),
            Self::KeyReused => Some("X-Idempotency-Key"),
            Self::Forbidden
            | Self::NotFound
            | Self::MethodNotAllowed(_)
            | Self::TooSlow
            | Self::Unreadable
            | Self::Malformed(_)
            | Self::HeadTooLarge
            | Self::TooLarge
            | Self::UnsupportedMedia
            | Self::Undecipherable(_)
            | Self::NoPublicKey
            | Self::Unavailable => None,
        }
    }

    /// The same problem in any field.
    pub(super) const fn without_field(self) -> Self {
        match self {
            Self::Invalid(..) => Self::Invalid("", "various fields"),
            other => other,
        }
    }

    /// What was wrong, for our log: without the name of the field, and more than the answer says about encryption.
    pub(super) const fn cause(self) -> &'static str {
        match self {
            Self::Invalid(_, what) | Self::Undecipherable(what) | Self::Malformed(what) => what,
            other => other.fixed(),
        }
    }

    /// The explanation in the answer.
    pub(super) fn detail(self) -> String {
        match self {
            Self::Invalid("", what) => what.to_owned(),
            Self::Invalid(field, what) => format!("{field}: {what}"),
            Self::KeyReused => format!("X-Idempotency-Key: {}", self.fixed()),
            other => other.fixed().to_owned(),
        }
    }

    const fn fixed(self) -> &'static str {
        match self {
            Self::Forbidden => "this client certificate is not authorized",
            Self::NotFound => "no such path",
            Self::MethodNotAllowed(_) => "this path accepts another method",
            Self::TooSlow => "the body did not arrive in time",
            Self::Unreadable | Self::Malformed(_) => "the request could not be read",
            Self::HeadTooLarge => "the head of the request is too large",
            Self::TooLarge => "the body is larger than 16 KiB",
            Self::UnsupportedMedia => "expected application/json without compression",
            Self::Invalid(_, what) => what,
            Self::Undecipherable(_) => "the encrypted body cannot be decrypted",
            Self::NoPublicKey => "no public key is configured",
            Self::KeyReused => "used before for another notification",
            Self::Unavailable => "the notification cannot be accepted now",
        }
    }

    /// Whether the connection may still contain a part of the request, which is not read.
    const fn leaves_bytes_unread(self) -> bool {
        matches!(
            self,
            Self::Forbidden
                | Self::TooSlow
                | Self::Unreadable
                | Self::Malformed(_)
                | Self::HeadTooLarge
                | Self::TooLarge
        )
    }

    /// The answer.
    pub(super) fn respond(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        if let Self::MethodNotAllowed(allowed) = self {
            response.insert_header((header::ALLOW, allowed));
        }
        if self.leaves_bytes_unread() {
            response.force_close();
        }
        response.json(serde_json::json!({ "detail": self.detail() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detail_names_the_field_if_there_is_one() {
        assert_eq!(Problem::Invalid("otp", "expected text").detail(), "otp: expected text");
        assert_eq!(Problem::Invalid("", "expected a JSON object").detail(), "expected a JSON object");
        assert_eq!(Problem::KeyReused.detail(), "X-Idempotency-Key: used before for another notification");
    }

    #[test]
    fn only_our_log_says_why_a_body_cannot_be_decrypted() {
        let (one, other) = (Problem::Undecipherable("no key decrypts it"), Problem::Undecipherable("not a JWE"));
        assert_eq!((one.detail(), one.status()), (other.detail(), other.status()));
        assert_eq!((one.cause(), one.field()), ("no key decrypts it", None));
    }

    #[test]
    fn a_problem_has_the_name_of_its_outcome_in_metrics() {
        assert_eq!(Problem::Unreadable.into_str(), "broken");
        assert_eq!(Problem::MethodNotAllowed("POST").into_str(), "method_not_allowed");
    }
}
