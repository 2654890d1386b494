//! `otpost key rotate`: replaces the seal key while the gateway runs.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::cli::progress_bar::progress_bar;
use crate::cli::{ConfigFile, output};
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::store::Store;
use crate::store::key_rotation::PreviousKeyUse;

/// The longest pause between two transactions.
const PAUSE_MAX: Duration = Duration::from_millis(50);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  otpost key rotate            # a new key seals from now on; contacts are sealed anew
  otpost key rotate --finish   # later: remove the previous key, if nothing needs it any more")]
pub(crate) struct Args {
    /// Only continue the rotation that is under way; begin no other
    #[arg(long)]
    finish: bool,
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let store = args.config.open_store().await?;
    let under_way = store.key_rotation_began()?;
    if args.finish && under_way.is_none() {
        output::line("no rotation of the seal key is under way")?;
        return Ok(ExitCode::SUCCESS);
    }
    store.begin_key_rotation(SystemClock.now()).await?;
    let file = config.seal.key_file.display();
    if let Some(began) = under_way {
        output::line(format_args!("the rotation of the seal key that began at {began} continues"))?;
    } else {
        output::line("a new seal key seals from now on")?;
        output::note(format_args!("back up {file} now: without it the database cannot be read"));
    }
    reseal(&store).await?;
    let result = finish(&store).await;
    store.close().await?;
    result
}

async fn reseal(store: &Store) -> anyhow::Result<()> {
    let recipients = store.reports().figures().await?.recipients;
    let bar = progress_bar(Some(recipients), "{bar:40} {human_pos} of {human_len} recipients, {eta} left");
    let mut last = None;
    loop {
        let began = Instant::now();
        let Some(next) = store.reseal_contacts(last.as_ref()).await? else { break };
        bar.inc(u64::from(last.is_none_or(|(recipient, ..)| recipient != next.0)));
        last = Some(next);
        // Codes have the database for at least half of the time.
        tokio::time::sleep(began.elapsed().min(PAUSE_MAX)).await;
    }
    bar.finish_and_clear();
    store.reseal_users().await?;
    output::line("all contacts are sealed with the new key")?;
    Ok(())
}

async fn finish(store: &Store) -> anyhow::Result<ExitCode> {
    let now = SystemClock.now();
    match store.previous_key_use().await? {
        Some(needs) if !needs.has_ended(now) => {
            output::line(still_needed(&needs, now))?;
            output::note("then run `otpost key rotate --finish`");
        }
        Some(_) => {
            store.end_key_rotation(now).await?;
            output::line("the previous seal key was removed: nothing needs it any more")?;
            output::note("keep the old key file with backups of the database that were made before the rotation");
        }
        None => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn still_needed(needs: &PreviousKeyUse, now: Timestamp) -> String {
    let PreviousKeyUse { contents, until, epoch_keys } = *needs;
    let mut reasons = Vec::new();
    if contents > 0 {
        reasons.push(format!("{contents} contents of deliveries are sealed with it"));
    }
    if epoch_keys {
        reasons.push("keys of recent codes are tied to it".to_owned());
    }
    if reasons.is_empty() {
        reasons.push("a running gateway may still seal with it".to_owned());
    }
    let until = if until > now { format!(", at least until {until}") } else { String::new() };
    format!("the previous seal key is kept{until}: {}", reasons.join("; "))
}
