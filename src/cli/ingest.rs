//! `otpost ingest`: what the ingest listener did with what processors posted.

mod rejections;

use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List rejected notifications, newest first: client, reason and field, never a value
    Rejections(rejections::Args),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Rejections(args) => rejections::run(&args).await,
    }
}
