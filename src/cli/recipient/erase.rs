//! `otpost recipients erase`: removes one person with all numbers and addresses, and asks before it does.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use uuid::Uuid;

use super::masked;
use super::show::Named;
use crate::cli::{ConfigFile, Usage, open_store, output};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::contact::Channel;
use crate::domain::recipient::Recipient;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    named: Named,
    /// Which of them, where the number names several
    #[arg(long, value_name = "UUID")]
    id: Option<Uuid>,
    #[command(flatten)]
    config: ConfigFile,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Erases the one that is meant.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let identifier = args.named.identifier()?;
    let somebody_is_there = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !args.yes && !somebody_is_there {
        return Err(Usage("erasing cannot be undone and nobody can be asked here: repeat with --yes".to_owned()).into());
    }
    let store = open_store::open(&args.config.config).await?;
    let directory = store.directory();
    let recipients = directory.named(&identifier).await?;
    let recipient = choose(args, &recipients)?;
    if !args.yes && !confirmed(recipient)? {
        output::line("nothing was erased")?;
        return Ok(ExitCode::FAILURE);
    }
    let erased = directory.erase(recipient.id, SystemClock.now()).await?;
    store.close().await?;
    if !erased {
        return Err(args.named.unknown());
    }
    output::line(format_args!("erased {}", recipient.id))?;
    Ok(ExitCode::SUCCESS)
}

fn choose<'a>(args: &Args, recipients: &'a [Recipient]) -> anyhow::Result<&'a Recipient> {
    match (recipients, args.id) {
        ([], _) => Err(args.named.unknown()),
        ([recipient], None) => Ok(recipient),
        (_, Some(id)) => match recipients.iter().find(|recipient| recipient.id.0 == id) {
            Some(recipient) => Ok(recipient),
            None => Err(Usage("--id: this number does not name the person of that id".to_owned()).into()),
        },
        (recipients, None) => {
            let lines: Vec<_> = recipients.iter().map(|recipient| format!("  {}", described(recipient))).collect();
            let text = format!("it names {} people; say which with --id:\n{}", recipients.len(), lines.join("\n"));
            Err(Usage(text).into())
        }
    }
}

fn described(recipient: &Recipient) -> String {
    let addresses: Vec<_> = Channel::ALL.into_iter().flat_map(|channel| masked(recipient, channel)).collect();
    format!("{}  {}  {}", recipient.id, recipient.locale, addresses.join(" ")).trim_end().to_owned()
}

fn confirmed(recipient: &Recipient) -> std::io::Result<bool> {
    let mut out = std::io::stderr();
    write!(out, "{}\nErase this person with all numbers and addresses? [y/N] ", described(recipient))?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
