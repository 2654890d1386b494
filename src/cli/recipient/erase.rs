//! `otpost recipient erase`: erases one recipient, after asking.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use uuid::Uuid;

use super::lookup::LookupArgs;
use super::summary;
use crate::cli::config_file::ConfigFile;
use crate::cli::{Usage, output};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::recipient::Recipient;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  otpost recipient erase storage_customer 1337")]
pub(crate) struct Args {
    #[command(flatten)]
    lookup: LookupArgs,
    /// The recipient to erase, if several have the identifier
    #[arg(long, value_name = "UUID")]
    id: Option<Uuid>,
    #[command(flatten)]
    config: ConfigFile,
    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let lookup = args.lookup.parse()?;
    let can_ask = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !args.yes && !can_ask {
        let text = "erasing cannot be undone, and there is no terminal to confirm it on; repeat with --yes";
        return Err(Usage(text.to_owned()).into());
    }
    let store = args.config.open_store().await?;
    let directory = store.recipients();
    let recipients = lookup.find(&directory).await?;
    let recipient = args.lookup.choose(args.id, &recipients)?;
    if !args.yes && !confirmed(recipient)? {
        output::line("nothing was erased")?;
        return Ok(ExitCode::FAILURE);
    }
    let erased = directory.erase(recipient.id, SystemClock.now()).await?;
    store.close().await?;
    if !erased {
        return Err(args.lookup.not_found());
    }
    output::line(format_args!("erased {}", recipient.id))?;
    Ok(ExitCode::SUCCESS)
}

fn confirmed(recipient: &Recipient) -> std::io::Result<bool> {
    let mut out = std::io::stderr();
    write!(out, "{}\nErase this recipient with all identifiers and contacts? [y/N] ", summary(recipient))?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
