//! `otpost key`: manages the keys with which processors encrypt bodies, and rotates the seal key. Private keys are never
//! shown.

mod activate;
mod list;
mod new;
mod rotate;
mod show;

use std::process::ExitCode;

use super::ConfigFile;
use crate::ingest::Settings;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Create a key; it decrypts at once, and is published when it is activated
    New(new::Args),
    /// Publish a key now or at a given time; the previous key keeps decrypting
    Activate(activate::ActivateArgs),
    /// Retire a key: it does not decrypt any more; its file is kept
    Retire(activate::RetireArgs),
    /// List the keys and their states
    List(list::Args),
    /// Print a public key, as GET /public-key returns it
    Show(show::Args),
    /// Replace the seal key, while the gateway runs; it seals contacts and contents in the database
    Rotate(rotate::Args),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::New(args) => new::run(&args).await,
        Command::Activate(args) => activate::activate(&args).await,
        Command::Retire(args) => activate::retire(&args).await,
        Command::List(args) => list::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Rotate(args) => rotate::run(&args).await,
    }
}

fn settings(file: &ConfigFile) -> anyhow::Result<Settings> {
    Ok(file.load()?.ingest)
}

const RELOAD_NOTE: &str = "a running gateway loads the change within a second";
