//! What is special about SMS: encodings, segments, their budget, and autofill lines.

pub(crate) mod autofill;
pub(crate) mod budget;
pub(crate) mod gsm_safe;
pub mod segments;
pub(crate) mod tables;
pub(crate) mod transliterate;
