//! `otpost man`: writes a man page for each command. They are made from the same text as `--help`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  otpost man /usr/local/share/man/man1")]
pub(super) struct Args {
    /// Folder that exists; pages of the same name are replaced
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn run(args: &Args, otpost: clap::Command) -> anyhow::Result<ExitCode> {
    let written = clap_mangen::generate_to(otpost, &args.folder);
    written.with_context(|| format!("cannot write man pages to {}", args.folder.display()))?;
    Ok(ExitCode::SUCCESS)
}
