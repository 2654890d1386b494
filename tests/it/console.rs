//! The console over HTTP: who gets in, what pages show, and what they change.

mod access;
mod pages;
mod templates;
