//! `otpost init`: a workspace for real use, with a development CA to begin with.

use std::path::PathBuf;
use std::process::ExitCode;

use super::output;
use super::workspace::Workspace;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder to make; it must not exist, or be empty
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Makes the workspace and says what to do next.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::create(&args.folder, "").await?;
    let config = workspace.config();
    let config = config.display();
    output::line(format_args!("made {}", args.folder.display()))?;
    output::line("")?;
    output::line("  otpost.toml        every key and its default; add your providers at its end")?;
    output::line(
        "  pki/               a development CA (dev/), the server's certificate, a processor's request and certificate",
    )?;
    output::line("  keys/seal.key      seals codes and addresses; back it up apart from the database")?;
    output::line("  templates/         the texts, by language")?;
    output::line("  otpost.db          the database")?;
    output::line("")?;
    output::line("next:")?;
    output::line(format_args!("  otpost recipient import recipients.csv --config {config}"))?;
    output::line(format_args!("  otpost check --config {config}"))?;
    output::line(format_args!("  otpost serve --config {config}"))?;
    Ok(ExitCode::SUCCESS)
}
