//! SMS: encoding, segments, budget, transliteration and autofill lines.

pub(crate) mod autofill;
pub(crate) mod budget;
pub(crate) mod gsm_safe;
pub mod segments;
pub(crate) mod transliterate;
