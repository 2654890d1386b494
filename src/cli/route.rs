//! `otpost route`: explains how somebody would be told, by the rules by which they would be. It sends nothing.

mod explain;

use std::process::ExitCode;

/// What can be asked about ways.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show every way to a person in order, what is skipped and why, quiet hours and the deadline
    Explain(explain::Args),
}

/// Answers it.
pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Explain(args) => explain::run(&args).await,
    }
}
