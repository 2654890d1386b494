//! The operators' console over HTTP, with a real gateway behind it.

mod ops;
