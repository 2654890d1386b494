//! otpost, an OTP delivery gateway.
//!
//! A card processor posts notifications over mutual TLS. otpost commits each one, answers `204`, looks up the recipient,
//! renders the message in their language and hands it to an SMS, push or e-mail provider.
//!
//! # Layers
//!
//! ```text
//!  main ─► cli ─► app ─► config, telemetry          wiring: builds everything, decides nothing
//!                  │
//!  listeners   ingest · receipts · console · ops    processors, providers, operators: parse, call one flow, answer
//!                  │
//!  flow        intake · worker · dispatch · receipts · providers · tasks
//!                  │
//!  libraries   store · render · channel · route · audit · report · pki · dossier       siblings never import each other
//!                  │
//!  domain      types and rules; no async, no I/O, no framework
//! ```
//!
//! `sim` is a practice processor with practice providers; it knows `domain` only. `tests/it/architecture.rs` fails on any
//! import that the layers do not allow.
//!
//! # The path of an OTP
//!
//! 1. [`ingest::processor`] parses the request.
//! 2. [`flow::intake`] accepts the notification once: [`store`] commits the notification, its idempotency key, its delivery
//!    and an audit event in one transaction. The delivery is already leased to this process. otpost answers **204**.
//! 3. [`flow::worker`] receives the delivery from memory, not from a poll.
//! 4. [`flow::recipients`] resolves the recipient.
//! 5. [`route`] chooses a channel and a provider, [`render`] renders the message for that channel, and [`channel`] sends it
//!    and returns an [`Outcome`](domain::outcome::Outcome).
//! 6. [`store`] settles the attempt, the state and an audit event in one transaction.
//! 7. The provider's receipt arrives at [`receipts`], and [`flow::receipts`] applies it.

pub mod app;
pub mod audit;
pub mod channel;
pub mod cli;
pub mod config;
pub mod console;
pub mod docs;
pub mod domain;
pub mod dossier;
pub mod file_access;
pub mod file_watcher;
pub mod flow;
pub mod ingest;
pub mod ops;
pub mod pki;
pub mod receipts;
pub mod render;
pub mod report;
pub mod route;
pub mod server;
pub mod sim;
pub mod store;
pub mod telemetry;
#[cfg(test)]
mod test_ca;
