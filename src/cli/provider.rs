//! `otpost provider`: lists, tests, drains and enables providers. A running gateway applies a change within a second.

mod drain;
mod kinds;
mod list;
mod test;

use std::process::ExitCode;

use super::Usage;
use crate::channel::Settings;
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List providers: circuit, recent failures, latency, spend, enabled or drained
    List(list::Args),
    /// Send a message with a fixed text through a provider to your own address, and show the request and the answer
    Test(test::Args),
    /// List the kinds of providers: validity, deduplication, receipts
    Kinds(kinds::Args),
    /// Take a provider out of rotation, also across restarts: no message is sent to it, not even as the last resort
    Drain(drain::DrainArgs),
    /// Put a drained provider back into rotation
    Enable(drain::EnableArgs),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list::run(&args).await,
        Command::Test(args) => Box::pin(test::run(&args)).await,
        Command::Kinds(args) => kinds::run(&args),
        Command::Drain(args) => drain::drain(&args).await,
        Command::Enable(args) => drain::enable(&args).await,
    }
}

fn unknown(name: &str, config: &Config) -> anyhow::Error {
    let known: Vec<_> = config.provider.iter().map(Settings::name).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Usage(format!("no provider {name} in the configuration; configured: {known}")).into()
}
