//! The integration tests, in one binary: stories that the whole gateway has to tell, and the shape of its source.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod accept_once;
mod answers;
mod architecture;
mod benchmark;
mod cli;
mod console;
mod contract;
mod demo;
mod dispatch;
mod mails;
mod mtls;
mod operations;
mod partners;
mod process;
mod promises;
mod properties;
mod receipts;
mod secrets;
mod simulation;
mod store;
mod support;
mod texts;
