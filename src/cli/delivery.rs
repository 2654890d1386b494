//! `otpost delivery`: finds deliveries, shows everything that happened to one, and sends one again. Contacts are masked.

mod csv;
mod filter_args;
mod list;
pub(super) mod message_text;
mod resend;
mod show;
mod timeline;

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::domain::clock::Timestamp;
use crate::store::reports::{DeliveryLine, DeliveryPage};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List deliveries, newest first
    List(Box<list::Args>),
    /// Show everything that happened to a delivery
    Show(show::Args),
    /// Send a notification again that did not arrive; never a code
    Resend(resend::Args),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list::run(&args).await,
        Command::Show(args) => show::run(&args).await,
        Command::Resend(args) => resend::run(&args).await,
    }
}

/// The state and the reason of its end: `undeliverable (no_contact)`.
fn state(line: &DeliveryLine) -> String {
    match &line.end_reason {
        Some(reason) => format!("{} ({reason})", line.state),
        None => line.state.clone(),
    }
}

fn as_json(line: &DeliveryLine) -> Value {
    json!({
        "id": line.id,
        "notification": line.notification,
        "kind": line.kind,
        "state": line.state,
        "end_reason": line.end_reason,
        "client": line.client,
        "idempotency_key": line.idempotency_key,
        "warnings": line.warnings,
        "recipient": line.recipient,
        "received_at": line.received_at.to_string(),
        "expires_at": line.expires_at.to_string(),
        "ended_at": line.ended_at.as_ref().map(Timestamp::to_string),
        "attempts": line.attempts,
        "last_attempt": line.last,
    })
}

/// Fails if the page may lack deliveries because the search index is behind: a document must not look complete then.
pub(super) fn complete(page: &DeliveryPage) -> anyhow::Result<()> {
    let behind = page.unindexed;
    anyhow::ensure!(
        behind == 0,
        "the search index has not come to {behind} audit events yet, so that deliveries may be missing; a running gateway \
         catches up by itself: try again in some minutes"
    );
    Ok(())
}
