//! `otpost key`: the keys that senders encrypt to. Private ones stay in their files and are never shown.

mod list;
mod new;
mod rotate;
mod show;

use std::process::ExitCode;

use super::{ConfigFile, usage};
use crate::config::Config;
use crate::ingest::Settings;

/// What can be done with keys.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a key: it opens encrypted bodies, and is not published before it is activated
    New(new::Args),
    /// Publish a key from now or from some time on; the one before it goes on opening
    Activate(rotate::ActivateArgs),
    /// Have a key open nothing any more; its file stays
    Retire(rotate::RetireArgs),
    /// List the keys, and which one is published
    List(list::Args),
    /// Print a public key as senders get it
    Show(show::Args),
}

/// Runs one of them.
pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::New(args) => new::run(&args),
        Command::Activate(args) => rotate::activate(&args),
        Command::Retire(args) => rotate::retire(&args),
        Command::List(args) => list::run(&args),
        Command::Show(args) => show::run(&args),
    }
}

fn door(file: &ConfigFile) -> anyhow::Result<Settings> {
    Ok(Config::load(&file.config).map_err(usage)?.ingest)
}

/// When a change counts.
const READ_SOON: &str = "a gateway that runs goes by it within a second";
