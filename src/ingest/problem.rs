//! What is wrong with a request, and the answer it gets. All answers with a body look alike and repeat no input.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};

use crate::flow::intake::IntakeError;

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// The certificate is good and not one of those that may speak here.
    Forbidden,
    /// No such path.
    NotFound,
    /// The path takes only this method.
    MethodNotAllowed(&'static str),
    /// The body did not come in time.
    TooSlow,
    /// The connection or its framing broke.
    SessionError,
    /// The body is larger than any notification.
    TooLarge,
    /// Not JSON, or compressed.
    UnsupportedMedia,
    /// A field, or the body as a whole (an empty name), is not what the contract says.
    Invalid(&'static str, &'static str),
    /// It says it is encrypted and cannot be opened. Nobody is told why.
    Undecipherable,
    /// There is no public key to hand out.
    NoPublicKey,
    /// The key came before with another body.
    KeyReused,
    /// It cannot be committed now.
    Unavailable,
}

impl From<IntakeError> for Problem {
    fn from(refusal: IntakeError) -> Self {
        match refusal {
            IntakeError::KeyReused => Self::KeyReused,
            IntakeError::Unavailable(error) => {
                let error = crate::domain::chain(&error);
                tracing::error!(error, "a notification could not be committed and was answered with 503");
                Self::Unavailable
            }
        }
    }
}

impl Problem {
    /// The name used in metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::TooSlow => "too_slow",
            Self::SessionError => "broken",
            Self::TooLarge => "too_large",
            Self::UnsupportedMedia => "unsupported_media",
            Self::Invalid(..) => "invalid",
            Self::Undecipherable => "undecipherable",
            Self::NoPublicKey => "no_public_key",
            Self::KeyReused => "key_reused",
            Self::Unavailable => "unavailable",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::SessionError => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(..) | Self::Undecipherable | Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoPublicKey | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) fn detail(self) -> String {
        let fixed = match self {
            Self::Forbidden => "this certificate may not post here",
            Self::NotFound => "no such path",
            Self::MethodNotAllowed(_) => "this path takes another method",
            Self::TooSlow => "the body did not arrive in time",
            Self::SessionError => "the request could not be read",
            Self::TooLarge => "the body is larger than 16 KiB",
            Self::UnsupportedMedia => "expected application/json without compression",
            Self::Invalid("", what) => what,
            Self::Invalid(field, what) => return format!("{field}: {what}"),
            Self::Undecipherable => "the encrypted body cannot be opened",
            Self::NoPublicKey => "no public key is configured",
            Self::KeyReused => "X-Idempotency-Key: used before for another notification",
            Self::Unavailable => "the notification cannot be taken now",
        };
        fixed.to_owned()
    }

    /// Whether the connection may hold the rest of a request that nobody will read.
    const fn breaks_framing(self) -> bool {
        matches!(self, Self::Forbidden | Self::TooSlow | Self::SessionError | Self::TooLarge)
    }

    /// The answer.
    pub(super) fn respond(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        if let Self::MethodNotAllowed(allowed) = self {
            response.insert_header((header::ALLOW, allowed));
        }
        if self.breaks_framing() {
            response.force_close();
        }
        response.json(serde_json::json!({ "detail": self.detail() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_and_a_body_is_not() {
        assert_eq!(Problem::Invalid("otp", "expected text").detail(), "otp: expected text");
        assert_eq!(Problem::Invalid("", "expected a JSON object").detail(), "expected a JSON object");
    }
}
