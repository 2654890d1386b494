//! Certificate revocation lists (RFC 5280): building and reading them.

pub(crate) mod builder;
pub(crate) mod reader;
