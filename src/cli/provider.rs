//! `otpost provider`: how providers are doing, and who is on duty. A running gateway obeys within a second.

mod drain;
mod list;

use std::process::ExitCode;

/// What can be asked about providers, and decided.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List providers: circuit, recent failures, on duty or drained
    List(list::Args),
    /// Take a provider off duty, also across restarts: it gets nothing new, not even as the last resort
    Drain(drain::DrainArgs),
    /// Put a provider on duty again
    Enable(drain::EnableArgs),
}

/// Runs one of them.
pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list::run(&args).await,
        Command::Drain(args) => drain::drain(&args).await,
        Command::Enable(args) => drain::enable(&args).await,
    }
}
