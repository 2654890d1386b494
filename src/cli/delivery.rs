//! `otpost delivery`: finds deliveries, shows everything that happened to one, and sends one again. Contacts are masked.

mod filter_args;
mod list;
mod resend;
mod show;

use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List deliveries, newest first
    List(Box<list::Args>),
    /// Show everything that happened to a delivery
    Show(show::Args),
    /// Send a notification again that did not arrive; never a code
    Resend(resend::Args),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list::run(&args).await,
        Command::Show(args) => show::run(&args).await,
        Command::Resend(args) => resend::run(&args).await,
    }
}
