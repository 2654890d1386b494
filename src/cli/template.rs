//! `otpost template`: inspect templates before and after they are changed, and move texts between the folder and the console.

mod check;
mod diff;
mod folder_state;
mod history;
mod list;
mod preview;
mod pull;
mod push;

use std::process::ExitCode;

/// The subcommands of `otpost template`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List which notification kinds and channels each locale covers
    List(list::Args),
    /// Validate the templates: file, line, column, and what to do
    Check(check::Args),
    /// Render sample messages, with their cost
    Preview(preview::Args),
    /// Compare the template folder with the active or the shipped templates
    Diff(diff::Args),
    /// Show when which template versions were active
    History(history::Args),
    /// Write the texts that were published in the console to the template folder
    Pull(pull::Args),
    /// Make a change for review of what was edited in the template folder
    Push(push::Args),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list::run(&args).await,
        Command::Check(args) => check::run(&args),
        Command::Preview(args) => preview::run(&args),
        Command::Diff(args) => diff::run(&args).await,
        Command::History(args) => history::run(&args).await,
        Command::Pull(args) => pull::run(&args).await,
        Command::Push(args) => push::run(&args).await,
    }
}
