//! The console over HTTP: who gets in, what pages show, and what they change.

mod access;
mod api;
mod keyboard;
mod ops;
mod pages;
mod templates;
mod tour;
