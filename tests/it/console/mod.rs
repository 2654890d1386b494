//! The operators' console, as a browser sees it.

mod browser;
mod ops;
