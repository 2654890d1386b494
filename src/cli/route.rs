//! `otpost route`: explains routing with the rules of the gateway. It sends nothing.

mod explain;

use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show the candidates for a recipient in order, what is skipped and why, quiet hours and the deadline
    Explain(explain::Args),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Explain(args) => explain::run(&args).await,
    }
}
