//! `otpost recipient erase`: erases one recipient, after asking.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use uuid::Uuid;

use super::{IdentifierArgs, masked_contacts};
use crate::cli::config_file::ConfigFile;
use crate::cli::{Usage, output};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::contact::Channel;
use crate::domain::recipient::Recipient;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  otpost recipient erase storage_customer 1337")]
pub(crate) struct Args {
    #[command(flatten)]
    identifier: IdentifierArgs,
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
    let identifier = args.identifier.parse()?;
    let can_ask = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !args.yes && !can_ask {
        let text = "erasing cannot be undone, and there is no terminal to confirm it on; repeat with --yes";
        return Err(Usage(text.to_owned()).into());
    }
    let store = args.config.open_store().await?;
    let directory = store.recipients();
    let recipients = directory.find(&identifier).await?;
    let recipient = choose(args, &recipients)?;
    if !args.yes && !confirmed(recipient)? {
        output::line("nothing was erased")?;
        return Ok(ExitCode::FAILURE);
    }
    let erased = directory.erase(recipient.id, SystemClock.now()).await?;
    store.close().await?;
    if !erased {
        return Err(args.identifier.not_found());
    }
    output::line(format_args!("erased {}", recipient.id))?;
    Ok(ExitCode::SUCCESS)
}

fn choose<'a>(args: &Args, recipients: &'a [Recipient]) -> anyhow::Result<&'a Recipient> {
    match (recipients, args.id) {
        ([], _) => Err(args.identifier.not_found()),
        ([recipient], None) => Ok(recipient),
        (_, Some(id)) => match recipients.iter().find(|recipient| recipient.id.0 == id) {
            Some(recipient) => Ok(recipient),
            None => Err(Usage("--id: the recipient of this id does not have this identifier".to_owned()).into()),
        },
        (recipients, None) => {
            let lines: Vec<_> = recipients.iter().map(|recipient| format!("  {}", summary(recipient))).collect();
            let count = recipients.len();
            let text = format!("{count} recipients have this identifier; choose one with --id:\n{}", lines.join("\n"));
            Err(Usage(text).into())
        }
    }
}

fn summary(recipient: &Recipient) -> String {
    let contacts: Vec<_> = Channel::ALL.into_iter().flat_map(|channel| masked_contacts(recipient, channel)).collect();
    format!("{}  {}  {}", recipient.id, recipient.locale, contacts.join(" ")).trim_end().to_owned()
}

fn confirmed(recipient: &Recipient) -> std::io::Result<bool> {
    let mut out = std::io::stderr();
    write!(out, "{}\nErase this recipient with all identifiers and contacts? [y/N] ", summary(recipient))?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
