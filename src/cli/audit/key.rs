//! `otpost audit key`: the key with which others verify the log.

use std::process::ExitCode;

use crate::cli::{ConfigFile, Usage, output};
use crate::flow::tasks::notary;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  otpost audit key > audit.pub     # give it to your auditor once, by a way that you trust"
)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let signer = notary::signer(&config.audit, false).map_err(Usage)?;
    output::line(signer.verifier()?.to_text()?)?;
    Ok(ExitCode::SUCCESS)
}
