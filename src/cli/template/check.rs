//! `otpost template check`: what is wrong with the texts.

use std::process::ExitCode;

use crate::cli::ConfigFile;

/// What to look at.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    file: ConfigFile,
}

/// Not there yet.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not yet: {}", args.file.config.display())
}
