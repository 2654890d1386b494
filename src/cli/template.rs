//! `otpost template`: the texts, looked at from all sides before and after somebody changes them.

mod check;
mod diff;
mod history;
mod list;
mod preview;

use std::process::ExitCode;

/// What can be asked about texts.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show which kinds of news can be told in which languages and over which channels
    List(list::Args),
    /// Say what is wrong with the texts: file, line, column, and what to do
    Check(check::Args),
    /// Show a text as people get it, with what it costs
    Preview(preview::Args),
    /// Show what differs between the texts here, those in use, and those otpost came with
    Diff(diff::Args),
    /// Show which words a text had, and since when
    History(history::Args),
}

/// Runs one of them.
pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Preview(args) => preview::run(&args),
        Command::Diff(args) => diff::run(&args).await,
        Command::History(args) => history::run(&args).await,
    }
}
