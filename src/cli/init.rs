//! `otpost init`: creates a workspace, with a development CA to start with.

use std::path::PathBuf;
use std::process::ExitCode;

use super::output;
use super::workspace::Workspace;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  otpost init bank && cd bank && otpost check")]
pub(super) struct Args {
    /// Folder to create; it must not exist or must be empty
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Creates the workspace and prints the next steps.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::create(&args.folder, "").await?;
    let config = workspace.config();
    let config = config.display();
    output::line(format_args!("created {}", args.folder.display()))?;
    output::line("")?;
    output::line("  otpost.toml        every key with its default; add your providers at the end")?;
    output::line(
        "  pki/               development CA (dev/), server certificate, a processor's request and certificate",
    )?;
    output::line("  keys/seal.key      encrypts OTPs and contacts; back it up apart from the database")?;
    output::line("  templates/         templates by locale and kind of notification")?;
    output::line("  otpost.db          database")?;
    output::line("")?;
    output::line("next:")?;
    output::line(format_args!("  otpost recipient import recipients.csv --config {config}"))?;
    output::line(format_args!("  otpost check --config {config}"))?;
    output::line(format_args!("  otpost serve --config {config}"))?;
    Ok(ExitCode::SUCCESS)
}
