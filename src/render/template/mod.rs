//! Template files and their syntax: loading, parsing, limits, and the values of their variables.

pub(crate) mod ast;
pub(crate) mod bind;
mod comments;
pub(crate) mod compiler;
pub(crate) mod dossier_file;
pub(crate) mod file;
pub(crate) mod locale_file;
pub(crate) mod part;
pub(crate) mod path;
pub(crate) mod shipped;
pub(crate) mod syntax_limits;
pub(crate) mod values;
