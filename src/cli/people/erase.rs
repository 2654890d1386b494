//! `otpost people erase`: removes one person with all numbers and addresses, and asks before it does.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use uuid::Uuid;

use super::masked;
use super::show::Named;
use crate::cli::{ConfigFile, Usage, beside, show};
use crate::domain::address::Channel;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::person::Person;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
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
    let store = beside::open(&args.config.config).await?;
    let directory = store.directory();
    let people = directory.named(&identifier).await?;
    let person = choose(args, &people)?;
    if !args.yes && !confirmed(person)? {
        show::line("nothing was erased")?;
        return Ok(ExitCode::FAILURE);
    }
    let erased = directory.erase(person.id, SystemClock.now()).await?;
    store.close().await?;
    if !erased {
        return Err(args.named.unknown());
    }
    show::line(format_args!("erased {}", person.id))?;
    Ok(ExitCode::SUCCESS)
}

fn choose<'a>(args: &Args, people: &'a [Person]) -> anyhow::Result<&'a Person> {
    match (people, args.id) {
        ([], _) => Err(args.named.unknown()),
        ([person], None) => Ok(person),
        (_, Some(id)) => match people.iter().find(|person| person.id.0 == id) {
            Some(person) => Ok(person),
            None => Err(Usage("--id: this number does not name the person of that id".to_owned()).into()),
        },
        (people, None) => {
            let lines: Vec<_> = people.iter().map(|person| format!("  {}", described(person))).collect();
            let text = format!("it names {} people; say which with --id:\n{}", people.len(), lines.join("\n"));
            Err(Usage(text).into())
        }
    }
}

fn described(person: &Person) -> String {
    let addresses: Vec<_> = Channel::ALL.into_iter().flat_map(|channel| masked(person, channel)).collect();
    format!("{}  {}  {}", person.id, person.locale, addresses.join(" ")).trim_end().to_owned()
}

fn confirmed(person: &Person) -> std::io::Result<bool> {
    let mut out = std::io::stderr();
    write!(out, "{}\nErase this person with all numbers and addresses? [y/N] ", described(person))?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
