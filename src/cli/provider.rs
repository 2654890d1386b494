//! `otpost provider`: lists, drains and enables providers. A running gateway applies a change within a second.

mod drain;
mod list;

use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List providers: circuit, recent failures, latency, spend, enabled or drained
    List(list::Args),
    /// Take a provider out of rotation, also across restarts: no message is sent to it, not even as the last resort
    Drain(drain::DrainArgs),
    /// Put a drained provider back into rotation
    Enable(drain::EnableArgs),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list::run(&args).await,
        Command::Drain(args) => drain::drain(&args).await,
        Command::Enable(args) => drain::enable(&args).await,
    }
}
