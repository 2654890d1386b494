//! `otpost audit`: the audit log, and the proof that it is unchanged.

mod archive;
mod events_bar;
mod export;
mod key;
mod list;
mod status;
mod verify;

use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List what operators and the gateway did; `otpost delivery show` has the events of a delivery
    List(list::Args),
    /// Show how far the log is signed
    Status(status::Args),
    /// Print the verifier key of the log, for your auditor
    Key(key::Args),
    /// Write a part of the log into a directory that proves itself
    Export(export::Args),
    /// Move old events out of the database, into bundles that prove themselves
    Archive(archive::Args),
    /// Verify an exported or archived directory, or the proof of one event; needs no configuration, no database, no network
    Verify(verify::Args),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list::run(&args).await,
        Command::Status(args) => status::run(&args).await,
        Command::Key(args) => key::run(&args),
        Command::Export(args) => export::run(&args).await,
        Command::Archive(args) => archive::run(&args).await,
        Command::Verify(args) => verify::run(&args),
    }
}
