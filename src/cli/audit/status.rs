//! `otpost audit status`: how far the log is signed.

use std::process::ExitCode;

use crate::cli::{ConfigFile, output};
use crate::flow::audit_list::SignedState;
use crate::flow::audit_state::AuditState;
use crate::store::audit_archives::AuditArchive;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = args.config.open_store().await?;
    let state = AuditState::read(&store).await?;
    store.close().await?;
    let document = SignedState::from(&state);
    let AuditState { mut archives, signed: last, waiting, oldest_waiting } = state;
    let (archived, oldest) = (archives.pop(), oldest_waiting.map(|at| at.to_string()));
    let size = last.as_ref().map_or(0, |checkpoint| checkpoint.size);
    if args.json {
        output::json(&document)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(AuditArchive { until, to, bundle, .. }) = archived {
        output::line(format_args!("archived  {until} events, the last of {to}, in {bundle} and bundles before it"))?;
    }
    match &last {
        Some(last) => output::line(format_args!("signed    {size} events, the last at {}", last.at))?,
        None => output::line("signed    nothing yet: otpost serve signs")?,
    }
    match oldest {
        Some(oldest) => output::line(format_args!("waiting   {waiting} events, the oldest since {oldest}"))?,
        None => output::line("waiting   no events")?,
    }
    if let Some(last) = last {
        output::line(format_args!("\n{}", last.note.trim_end()))?;
    }
    Ok(ExitCode::SUCCESS)
}
