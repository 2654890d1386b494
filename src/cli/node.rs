//! `otpost node`: the gateways that share a database.

mod list;

use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the gateways that share a PostgreSQL database: versions, clocks, and when each was seen last
    List(list::Args),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list::run(&args).await,
    }
}
