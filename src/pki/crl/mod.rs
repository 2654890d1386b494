//! Certificate revocation lists (RFC 5280): writing our own, reading any.

pub(crate) mod builder;
pub(crate) mod reader;
