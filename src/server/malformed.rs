//! A request whose head the HTTP parser rejects: it answers by itself and closes the connection, and no handler learns of it.

use actix_http::error::{DispatchError, ParseError};

/// Why the parser rejected a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MalformedHead {
    /// Answered with 400; what is wrong.
    Invalid(&'static str),
    /// Answered with 431.
    TooLarge,
}

impl MalformedHead {
    /// Why a connection ended, if that is the reason. An error in a body is the handler's.
    pub(super) fn of(error: &DispatchError) -> Option<Self> {
        let DispatchError::Parse(error) = error else { return None };
        match error {
            ParseError::TooLarge => Some(Self::TooLarge),
            ParseError::Method => Some(Self::Invalid("the method in the request line is invalid")),
            ParseError::Uri(_) => Some(Self::Invalid("the path in the request line is invalid")),
            ParseError::Version => Some(Self::Invalid("the HTTP version in the request line is invalid")),
            ParseError::Header => Some(Self::Invalid("the request line or a header is invalid")),
            ParseError::Incomplete | ParseError::Io(_) | ParseError::Timeout => None,
            _ => Some(Self::Invalid("the head cannot be read")),
        }
    }
}
