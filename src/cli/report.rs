//! `otpost report`: documents and figures about what was delivered.

mod dispute;

use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a dossier of what is recorded about deliveries, with proofs, to hand to a bank
    Dispute(dispute::Args),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Dispute(args) => dispute::run(&args).await,
    }
}
