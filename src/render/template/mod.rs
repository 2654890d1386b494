//! Template files and their syntax: loading, parsing, limits, and the values of their variables.

pub(crate) mod ast;
pub(crate) mod bind;
pub(crate) mod compiler;
pub(crate) mod file;
pub(crate) mod loader;
pub(crate) mod part;
pub(crate) mod syntax_limits;
pub(crate) mod values;
