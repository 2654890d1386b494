//! `otpost recipient erase`: erases one recipient, after asking.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use serde_json::{Value, json};
use uuid::Uuid;

use super::lookup::{LookupArgs, choose};
use super::summary;
use crate::cli::config_file::ConfigFile;
use crate::cli::remote::{RemoteError, RemoteGateway, ServerArgs};
use crate::cli::{Usage, output};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::recipient::RecipientId;
use crate::flow::recipient_search::MaskedRecipient;
use crate::store::{operator, reason_line};

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
    #[command(flatten)]
    server: ServerArgs,
    /// Kept in the audit log for good; it must not contain personal data. With --server it is required
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
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
    if let Some(remote) = args.server.remote()? {
        return erase_there(args, &remote).await;
    }
    let reason = args.reason.as_deref().and_then(reason_line);
    let store = args.config.open_store().await?;
    let directory = store.recipients().on_behalf_of(operator(), reason.as_deref());
    let recipients: Vec<_> = lookup.find(&directory).await?.iter().map(MaskedRecipient::from).collect();
    let recipient = choose(&args.lookup, args.id, &recipients)?;
    if !args.yes && !confirmed(recipient)? {
        output::line("nothing was erased")?;
        return Ok(ExitCode::FAILURE);
    }
    let erased = directory.erase(RecipientId(recipient.id), SystemClock.now()).await?;
    store.close().await?;
    if !erased {
        return Err(args.lookup.not_found());
    }
    output::line(format_args!("erased {}", recipient.id))?;
    Ok(ExitCode::SUCCESS)
}

async fn erase_there(args: &Args, remote: &RemoteGateway) -> anyhow::Result<ExitCode> {
    let required = || Usage("--reason: say why; with --server it is required".to_owned());
    let reason = args.reason.as_deref().ok_or_else(required)?;
    let recipients = args.lookup.find_by(remote).await?;
    let recipient = choose(&args.lookup, args.id, &recipients)?;
    if !args.yes && !confirmed(recipient)? {
        output::line("nothing was erased")?;
        return Ok(ExitCode::FAILURE);
    }
    let (id, body) = (recipient.id.to_string(), json!({ "reason": reason }));
    let erased = remote.post::<Value>(&["recipients", &id, "erase"], &body).await;
    erased.map_err(|error| match error {
        RemoteError::NotFound { .. } => args.lookup.not_found(),
        error => error.explained(),
    })?;
    output::line(format_args!("erased {id}"))?;
    Ok(ExitCode::SUCCESS)
}

fn confirmed(recipient: &MaskedRecipient) -> std::io::Result<bool> {
    let mut out = std::io::stderr();
    write!(out, "{}\nErase this recipient with all identifiers and contacts? [y/N] ", summary(recipient))?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
