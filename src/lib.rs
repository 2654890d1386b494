//! otpost, an OTP delivery gateway.
//!
//! A card processor posts a notification over mutual TLS; otpost commits it, answers `204`, finds the person,
//! writes the message in their language and hands it to an SMS, push or e-mail provider.
//!
//! # The house
//!
//! ```text
//!         main ─► cli ─► app ─► config, telemetry            composition: knows everything, decides nothing
//!                         │
//!  doors      ingest     receipts     console                 processors, providers, operators: parse, call one flow, answer
//!                         │
//!  flow    intake · resolve · worker · dispatch · receipt     the story
//!                         │
//!  tools   store   render   channel   route                   SQL · text · the outside world · pure choice
//!                         │                                   siblings never import each other
//!  words                domain                                no async, no I/O, no framework
//! ```
//!
//! Beside it stand `pki` (making and reading certificates, for the command line and the door) and `sim` (a processor and
//! providers to practise against); both know `domain` only. `tests/it/architecture.rs` fails on any other arrow.
//!
//! # The path of a code
//!
//! [`ingest::verestro`] parses → [`flow::intake`] accepts once → [`store`] commits notification, idempotency key,
//! delivery and audit event in one transaction, already claimed by this node → **204** → [`flow::worker`] gets it
//! from memory, not from a poll → [`crate::flow::recipients`] finds the person → [`route`] picks channel and provider →
//! [`render`] writes the text for that channel → [`channel`] sends and returns an
//! [`Outcome`](domain::outcome::Outcome) → [`store`] settles attempt, state and audit event in one transaction → the
//! provider's receipt comes to [`receipts`] → [`crate::flow::receipts`] decides what it changes.

pub mod app;
pub mod channel;
pub mod cli;
pub mod config;
pub mod domain;
pub mod flow;
pub mod ingest;
pub mod ops;
pub mod pki;
pub mod receipts;
pub mod render;
pub mod route;
pub mod sim;
pub mod store;
pub mod telemetry;
